//! Severity limits, which must ascend.

use super::{Bytes, Config, Count, Positive, Ratio};

impl Config {
    /// Severity limits that do not ascend.
    pub(super) fn out_of_order(&self) -> Vec<String> {
        self.steps()
            .into_iter()
            .chain(self.steps_of_rows())
            .chain(self.steps_of_days())
            .chain(self.steps_of_roles())
            .filter(|(_, steps)| !steps.is_sorted())
            .map(|(key, steps)| {
                format!("{key}: the limits must ascend with severity, but are {steps:?}")
            })
            .collect()
    }

    /// The steps of the signals of rows.
    fn steps_of_rows(&self) -> [(&'static str, Vec<f64>); 4] {
        let counts = |counts: &[Count]| counts.iter().map(|c| c.get() as f64).collect();
        let (queries, entropy) = (&self.dns_query_burst, &self.high_entropy_dns);
        let encoded = &self.encoded_tunneling_pattern;
        [
            (
                "dns_query_burst.limit, high",
                counts(&[queries.limit, queries.high]),
            ),
            (
                "high_entropy_dns.limit, critical",
                counts(&[entropy.limit, entropy.critical]),
            ),
            (
                "encoded_tunneling_pattern.limit, critical",
                counts(&[encoded.limit, encoded.critical]),
            ),
            (
                "brute_force.limit, high",
                counts(&[self.brute_force.limit, self.brute_force.high]),
            ),
        ]
    }

    /// The steps of SMB_FAN_OUT.
    fn steps_of_roles(&self) -> [(&'static str, Vec<f64>); 1] {
        let smb = &self.smb_fan_out;
        let counts = [smb.limit, smb.high, smb.critical].map(|count| count.get() as f64);
        [("smb_fan_out.limit, high, critical", counts.to_vec())]
    }

    /// The steps of the signals that take hours.
    fn steps_of_days(&self) -> [(&'static str, Vec<f64>); 2] {
        let (beacon, long) = (&self.long_beacon, &self.long_connection);
        [
            (
                "long_beacon.limit, high, critical",
                [beacon.limit, beacon.high, beacon.critical]
                    .map(Ratio::get)
                    .to_vec(),
            ),
            (
                "long_connection.limit, medium, high",
                [long.limit, long.medium, long.high]
                    .map(Positive::get)
                    .to_vec(),
            ),
        ]
    }

    /// The steps of the signals of flows.
    fn steps(&self) -> Vec<(&'static str, Vec<f64>)> {
        let counts = |counts: &[Count]| counts.iter().map(|c| c.get() as f64).collect();
        let numbers = |numbers: &[Positive]| numbers.iter().map(|n| n.get()).collect();
        let bytes = |bytes: &[Bytes]| bytes.iter().map(|b| b.get() as f64).collect();
        let (scan, spike, beacon) = (
            &self.port_scan,
            &self.connection_spike,
            &self.periodic_beacon,
        );
        let (persistent, exchange) = (&self.persistent_destination, &self.command_exchange);
        let (staging, outbound) = (&self.data_staging, &self.outbound_spike);
        let (diversity, fan_out) = (&self.destination_diversity, &self.fan_out_scan);
        let (ddos, syn) = (&self.fan_in_ddos, &self.syn_burst);
        vec![
            (
                "port_scan.limit, high, critical",
                counts(&[scan.limit, scan.high, scan.critical]),
            ),
            (
                "connection_spike.limit, high, critical",
                numbers(&[spike.limit, spike.high, spike.critical]),
            ),
            (
                "periodic_beacon.high, critical",
                counts(&[beacon.high, beacon.critical]),
            ),
            (
                "persistent_destination.limit, high, critical",
                counts(&[persistent.limit, persistent.high, persistent.critical]),
            ),
            (
                "command_exchange.limit, high, critical",
                counts(&[exchange.limit, exchange.high, exchange.critical]),
            ),
            (
                "data_staging.limit, high",
                bytes(&[staging.limit, staging.high]),
            ),
            (
                "outbound_spike.medium, high, critical",
                bytes(&[outbound.medium, outbound.high, outbound.critical]),
            ),
            (
                "destination_diversity.limit, medium, high",
                counts(&[diversity.limit, diversity.medium, diversity.high]),
            ),
            (
                "fan_in_ddos.high, critical",
                numbers(&[ddos.high, ddos.critical]),
            ),
            (
                "fan_out_scan.limit, high, critical",
                counts(&[fan_out.limit, fan_out.high, fan_out.critical]),
            ),
            (
                "syn_burst.high, critical",
                numbers(&[syn.high, syn.critical]),
            ),
        ]
    }
}
