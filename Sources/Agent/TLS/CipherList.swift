import NIOSSL

/// `restapi.ciphers`: OpenSSL's notation, `ECDHE+AESGCM:!aRSA`, over the suites of TLS 1.2 that this library has. Words
/// for others match nothing, as in OpenSSL; the suites of TLS 1.3 are always on.
enum CipherList {
    private struct Suite {
        let cipher: NIOTLSCipher
        let words: Set<String>

        /// - Parameter name: OpenSSL's, whose parts tell what the suite belongs to.
        init(_ name: String, _ cipher: NIOTLSCipher) {
            self.cipher = cipher
            let parts = Set(name.split(separator: "-").map(String.init))
            var words: Set<String> = [name, "ALL", "DEFAULT", "HIGH"]
            words.formUnion(
                parts.contains("ECDHE") ? ["ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH"] : ["RSA", "kRSA"])
            words.formUnion(parts.contains("ECDSA") ? ["ECDSA", "aECDSA"] : ["aRSA"])
            for size in ["AES128", "AES256"] where parts.contains(size) { words.formUnion([size, "AES", "FIPS"]) }
            if parts.contains("GCM") { words.insert("AESGCM") }
            if parts.contains("CHACHA20") { words.insert("CHACHA20") }
            words.formUnion(parts.contains("SHA") ? ["SHA", "SHA1", "TLSv1", "TLSv1.0", "SSLv3"] : ["TLSv1.2"])
            self.words = words
        }
    }

    private static let suites = [
        Suite("ECDHE-ECDSA-AES128-GCM-SHA256", .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        Suite("ECDHE-RSA-AES128-GCM-SHA256", .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        Suite("ECDHE-ECDSA-AES256-GCM-SHA384", .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        Suite("ECDHE-RSA-AES256-GCM-SHA384", .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        Suite("ECDHE-ECDSA-CHACHA20-POLY1305", .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        Suite("ECDHE-RSA-CHACHA20-POLY1305", .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
        Suite("ECDHE-ECDSA-AES128-SHA", .TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA),
        Suite("ECDHE-RSA-AES128-SHA", .TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA),
        Suite("ECDHE-ECDSA-AES256-SHA", .TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA),
        Suite("ECDHE-RSA-AES256-SHA", .TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA),
        Suite("AES128-GCM-SHA256", .TLS_RSA_WITH_AES_128_GCM_SHA256),
        Suite("AES256-GCM-SHA384", .TLS_RSA_WITH_AES_256_GCM_SHA384),
        Suite("AES128-SHA", .TLS_RSA_WITH_AES_128_CBC_SHA), Suite("AES256-SHA", .TLS_RSA_WITH_AES_256_CBC_SHA),
    ]

    /// In order of preference; empty when the text chooses none.
    static func suites(_ text: String) -> [NIOTLSCipher] {
        var chosen: [Int] = []
        var banned: Set<Int> = []
        for item in text.split(whereSeparator: { ":, ;".contains($0) }) {
            let sign = item.first.flatMap { "!-+@".contains($0) ? $0 : nil }
            let words = Set(item.dropFirst(sign == nil ? 0 : 1).split(separator: "+").map(String.init))
            let matching = suites.indices.filter { words.isSubset(of: suites[$0].words) }
            switch sign {
            // How strong: all of these are.
            case "@": continue
            case "!":
                banned.formUnion(matching)
                chosen.removeAll { banned.contains($0) }
            case "-": chosen.removeAll { matching.contains($0) }
            case "+": chosen = chosen.filter { !matching.contains($0) } + chosen.filter { matching.contains($0) }
            default: chosen += matching.filter { !chosen.contains($0) && !banned.contains($0) }
            }
        }
        return chosen.map { suites[$0].cipher }
    }
}
