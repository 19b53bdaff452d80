#!/usr/bin/python3
"""What the package is made of: `deb_parts.py copyright`, or `deb_parts.py sbom DEB DEPENDENCIES` (SPDX 2.3), on stdout.
The Swift packages are those of Package.resolved, with the licences that lie beside their sources."""

import datetime
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import uuid

CHECKOUTS = pathlib.Path(".build/checkouts")
RUNTIME_LICENSE = "Apache-2.0 WITH Swift-exception"


def resolved():
    with open("Package.resolved", encoding="utf-8") as file:
        return json.load(file)["pins"]


def folder(pin):
    """Named after the repository, whose case the identity has lost."""
    return CHECKOUTS / pin["location"].removesuffix(".git").rsplit("/", 1)[1]


def texts(pin, word):
    return [path.read_text(encoding="utf-8").strip() for path in sorted(folder(pin).glob(f"{word}*"))]


def license_of(pin):
    found = " ".join(texts(pin, "LICENSE"))
    for words, name in (("Apache License", "Apache-2.0"), ("MIT License", "MIT")):
        if words in found:
            return name
    sys.exit(f"{folder(pin)}: a licence that is not known here; Apache License and MIT License are")


def runtime_version():
    said = subprocess.run(["swift", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("Swift version ")[1].split()[0]


def copyright_file():
    yield pathlib.Path("LICENSE").read_text(encoding="utf-8").strip()
    yield (
        f"/usr/lib/matriarch is the runtime of Swift {runtime_version()} (Apache License 2.0 with Runtime Library\n"
        "Exception), with data of ICU (Unicode License). The programs contain these Swift packages:"
    )
    yield "\n".join(f"  {pin['identity']} {pin['state']['version']}: {license_of(pin)}" for pin in resolved())
    yield "The Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0. Other licences, and notices:"
    for pin in resolved():
        licenses = [] if license_of(pin) == "Apache-2.0" else texts(pin, "LICENSE")
        for text in licenses + texts(pin, "NOTICE"):
            yield f"---- {pin['identity']}\n\n{text}"


def spdx_package(name, version, license_name="NOASSERTION", location="NOASSERTION", **more):
    return {
        "SPDXID": f"SPDXRef-{name.replace('_', '-').replace('+', '-')}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": location,
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": license_name,
        "copyrightText": "NOASSERTION",
        **more,
    }


def swift_packages():
    """Only an address that Package.swift names is passed on."""
    ours = pathlib.Path("Package.swift").read_text(encoding="utf-8")
    for pin in resolved():
        location = pin["location"] if f'"{pin["location"]}"' in ours else None
        yield spdx_package(
            pin["identity"],
            pin["state"]["version"],
            license_of(pin),
            f"git+{location}@{pin['state']['revision']}" if location else "NOASSERTION",
            sourceInfo=f"revision {pin['state']['revision']}",
        )


def debian_packages(dependencies):
    for dependency in dependencies.split(", "):
        name, _, version = dependency.partition(" ")
        yield spdx_package(name, version.strip("()") or "any of Debian 12")


def sbom(deb, dependencies):
    digest = hashlib.sha256(pathlib.Path(deb).read_bytes()).hexdigest()
    name, version, _ = pathlib.Path(deb).stem.split("_")
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    own = spdx_package(
        name, version, "MIT", packageFileName=pathlib.Path(deb).name,
        checksums=[{"algorithm": "SHA256", "checksumValue": digest}],
    )
    inside = [spdx_package("swift-runtime", runtime_version(), RUNTIME_LICENSE), *swift_packages()]
    needed = list(debian_packages(dependencies))

    def related(kind, packages):
        return [
            {"spdxElementId": own["SPDXID"], "relationshipType": kind, "relatedSpdxElement": package["SPDXID"]}
            for package in packages
        ]

    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": pathlib.Path(deb).stem,
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "creationInfo": {"created": f"{created:%Y-%m-%dT%H:%M:%SZ}", "creators": ["Tool: matriarch-scripts-deb"]},
        "documentDescribes": [own["SPDXID"]],
        "packages": [own, *inside, *needed],
        "relationships": related("CONTAINS", inside) + related("DEPENDS_ON", needed),
    }


if __name__ == "__main__":
    if sys.argv[1] == "copyright":
        print("\n\n".join(copyright_file()))
    else:
        print(json.dumps(sbom(*sys.argv[2:]), indent=2))
