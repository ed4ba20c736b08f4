//! How an organisation's parts are at this moment, for operators: ready or not, and numbers.

use std::fmt::Write as _;

use prometheus_client::registry::Registry;

use super::Wired;

impl Wired {
    /// Adds what the parts count to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.pipeline.metrics.register(registry);
        self.contract.telemetry.register(registry);
    }

    /// What keeps the process from serving well; empty when nothing does.
    pub async fn not_ready(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.store.ping().await.is_err() {
            missing.push("the store does not answer".to_owned());
        }
        if let Some(lost) = self.claim.lost() {
            missing.push(lost.to_string());
        } else if !self.pipeline.ledger.status().available {
            missing.push("the ledger cannot be written".to_owned());
        }
        if !self.revocations.is_current(self.pipeline.clock.now()) {
            missing.push("revocations have not been read for too long".to_owned());
        }
        missing
    }

    /// What some of our callers must do without, though the rest are served.
    pub fn impaired(&self) -> Vec<String> {
        let issuers = self.pipeline.identity.issuers().iter();
        issuers
            .filter(|issuer| !issuer.state().usable)
            .map(|issuer| {
                let name = issuer.name();
                format!(
                    "the keys of the issuer {name} cannot be read, and its tokens are not accepted"
                )
            })
            .collect()
    }

    /// What is read at the moment of asking, in OpenMetrics text.
    pub fn gauges(&self) -> String {
        let mut text = String::new();
        let now = self.pipeline.clock.now();
        let from_disk = self.pipeline.rules.from_disk();
        let _ = write!(
            text,
            "# HELP doorward_policy_from_disk Whether the store's policy cannot be read and the last good one is in force.\n\
             # TYPE doorward_policy_from_disk gauge\n\
             doorward_policy_from_disk {}\n\
             # HELP doorward_policy_from_disk_age_seconds How long ago that one was applied; 0 when the store's is in force.\n\
             # TYPE doorward_policy_from_disk_age_seconds gauge\n\
             doorward_policy_from_disk_age_seconds {}\n",
            u8::from(from_disk.is_some()),
            from_disk.map_or(0, |applied| now.ms_since(applied) / 1_000)
        );
        self.write_replica_gauges(&mut text);
        let ledger = self.pipeline.ledger.status();
        let _ = write!(
            text,
            "# HELP doorward_ledger_available Whether records can be written.\n# TYPE doorward_ledger_available gauge\n\
             doorward_ledger_available {}\n\
             # HELP doorward_ledger_waiting Records that wait for the disk.\n# TYPE doorward_ledger_waiting gauge\n\
             doorward_ledger_waiting {}\n\
             # HELP doorward_ledger_durable The last durable record.\n# TYPE doorward_ledger_durable gauge\n\
             doorward_ledger_durable {}\n",
            u8::from(ledger.available),
            ledger.waiting,
            ledger.durable.seq
        );
        if let Some((_, status)) = &self.otlp {
            let status = status.status();
            let _ = write!(
                text,
                "# HELP doorward_sink_lag Records the OTLP sink has not sent.\n# TYPE doorward_sink_lag gauge\n\
                 doorward_sink_lag{{sink=\"otlp\"}} {}\n\
                 # HELP doorward_sink_refused Records the sink refused for good since the start.\n# TYPE doorward_sink_refused gauge\n\
                 doorward_sink_refused{{sink=\"otlp\"}} {}\n",
                // By the ledger's own end: the sink looks at it only when it tries.
                status.behind(ledger.durable.seq),
                status.refused_records
            );
        }
        text.push_str("# HELP doorward_upstream_healthy Whether a provider is tried.\n# TYPE doorward_upstream_healthy gauge\n");
        for (name, healthy) in self.upstreams.states() {
            let name = name.replace(['"', '\\', '\n'], "_");
            let _ = writeln!(
                text,
                "doorward_upstream_healthy{{upstream=\"{name}\"}} {}",
                u8::from(healthy)
            );
        }
        text
    }
}
