//! The protocol's revisions, which are dates: those that are spoken, and the one from which on there are no sessions. The one place that
//! names them.

/// The one without sessions.
pub const MODERN: &str = "2026-07-28";
/// Those with sessions in which a client is answered, the newest first.
pub const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
/// The first one, whose servers answer on a stream that stays open.
pub const FIRST: &str = "2024-11-05";
/// Those with sessions that are spoken to a connector, the newest first.
pub const TO_CONNECTORS: [&str; 4] = [LEGACY[0], LEGACY[1], LEGACY[2], FIRST];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_told_apart_by_their_order() {
        assert!(TO_CONNECTORS.is_sorted_by(|newer, older| newer > older));
        assert!(TO_CONNECTORS.iter().all(|legacy| *legacy < MODERN));
    }
}
