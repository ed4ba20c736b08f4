//! What several replicas of one installation have between them, as one of them sees it.

use std::fmt::Write as _;

use super::Wired;

impl Wired {
    /// What operators of several replicas look at, in OpenMetrics text.
    pub(super) fn write_replica_gauges(&self, text: &mut String) {
        let _ = write!(
            text,
            "# HELP doorward_store_listening Whether changes by other replicas are heard at once; otherwise they are seen at the next look.\n\
             # TYPE doorward_store_listening gauge\n\
             doorward_store_listening {}\n",
            u8::from(self.store.is_listening())
        );
    }
}
