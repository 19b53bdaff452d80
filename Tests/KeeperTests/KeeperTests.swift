import Testing

/// One test at a time: several measure how soon PostgreSQL is gone.
@Suite(.serialized) enum KeeperTests {}
