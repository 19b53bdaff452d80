/// What this version calls itself: in Patroni's places the version whose contract it keeps, and its own.
public enum MatriarchVersion {
    /// Rulings: peers and tools read features off it.
    public static let patroni = "4.1.5"
    public static let own = "0.1.0"
}
