"""The text of the configuration files: a patroni.yml for each node, and ZooKeeper's zoo.cfg."""


def zookeeper(folder, port, tick_time):
    return f"""\
tickTime={tick_time}
dataDir={folder}
clientPort={port}
clientPortAddress=127.0.0.1
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=srvr,cons
"""


def agent(node, cluster):
    """An ordinary patroni.yml. Only `matriarch.runtime_dir` is ours; Patroni ignores it."""
    secrets = cluster.secrets
    more = "".join(f"    {name}: {value}\n" for name, value in cluster.parameters.items())
    return f"""\
scope: {cluster.scope}
name: {node.name}

restapi:
  listen: 127.0.0.1:{node.rest_port}
  connect_address: 127.0.0.1:{node.rest_port}

zookeeper:
  hosts: [{", ".join(f"'{host}'" for host in cluster.zookeeper.hosts.split(","))}]

bootstrap:
  dcs:
    ttl: {cluster.ttl}
    loop_wait: {cluster.loop_wait}
    retry_timeout: {cluster.retry_timeout}
    maximum_lag_on_failover: 1048576
    primary_start_timeout: 0
    postgresql:
      use_pg_rewind: true
      use_slots: true
  initdb:
    - encoding: UTF8
    - data-checksums

postgresql:
  listen: 127.0.0.1:{node.port}
  connect_address: 127.0.0.1:{node.port}
  data_dir: {node.data}
  bin_dir: {cluster.postgres}
  pgpass: {node.folder}/pgpass
  authentication:
    superuser:
      username: postgres
      password: {secrets["superuser"]}
    replication:
      username: replicator
      password: {secrets["replication"]}
    rewind:
      username: rewinder
      password: {secrets["rewind"]}
  pg_hba:
    - local all all scram-sha-256
    - host replication replicator 127.0.0.1/32 scram-sha-256
    - host all all 127.0.0.1/32 scram-sha-256
  parameters:
    unix_socket_directories: {node.sockets}
    shared_buffers: 32MB
    log_line_prefix: '%m [%p] '
{more}
matriarch:
  runtime_dir: {node.runtime}
"""
