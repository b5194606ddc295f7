//! Fits what the detectors may hold into one number.

use super::{Bytes, Config, Count};

/// What one flow takes that FAN_OUT_SCAN has yet to judge.
pub(crate) const PER_UNDECIDED: u64 = 96;
/// What an open signal takes with its evidence, its share of the table and its place in the queue.
const PER_OPEN: u64 = 2_048;

impl Config {
    /// The most that detectors and so many rules hold at once, in bytes.
    pub fn most_memory(&self, rules: usize) -> u64 {
        let tables: u64 = self.tables().iter().map(|(_, memory)| memory.get()).sum();
        let groups = self.rules.max_memory.get().saturating_mul(rules as u64);
        let undecided = self.fan_out_scan.max_undecided.get() * PER_UNDECIDED;
        let open = self.max_open_signals.get() * PER_OPEN;
        [tables, groups, undecided, open]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Scales down what bounds memory until detectors and so many rules fit into `bytes`; never up.
    ///
    /// All in one proportion: `max_memory` and `max_subjects` of every signal,
    /// `fan_out_scan.max_undecided`, `max_open_signals` and `rules.max_memory`. What decides how
    /// something is measured stays, `max_exact` and `max_evidence` too; so a table always holds one
    /// subject, however much that takes (by default up to about 1 MiB).
    pub fn fit(&mut self, bytes: u64, rules: usize) {
        let most = self.most_memory(rules);
        if most <= bytes {
            return;
        }
        let part = |number: u64| {
            let part = u128::from(number) * u128::from(bytes) / u128::from(most);
            u64::try_from(part).unwrap_or(number)
        };
        let count = |count: &mut Count| {
            *count = Count::new(u32::try_from(part(count.get())).unwrap_or(u32::MAX));
        };
        let memory = |memory: &mut Bytes| *memory = Bytes::new(part(memory.get()));
        for (subjects, bytes) in self.tables_mut() {
            count(subjects);
            memory(bytes);
        }
        count(&mut self.fan_out_scan.max_undecided);
        count(&mut self.max_open_signals);
        memory(&mut self.rules.max_memory);
    }
}

/// The two numbers that bound each signal's tables.
macro_rules! tables {
    ($config:ident: $($signal:ident)+) => {
        impl Config {
            fn tables(&self) -> [(Count, Bytes); 31] {
                let $config = self;
                [$(($config.$signal.max_subjects, $config.$signal.max_memory),)+]
            }

            fn tables_mut(&mut self) -> [(&mut Count, &mut Bytes); 31] {
                let $config = self;
                [$((&mut $config.$signal.max_subjects, &mut $config.$signal.max_memory),)+]
            }
        }
    };
}

tables!(config: port_scan connection_spike privileged_access periodic_beacon persistent_destination
    command_exchange data_staging outbound_spike destination_diversity fan_in_ddos fan_out_scan
    syn_burst dns_query_burst high_entropy_dns encoded_tunneling_pattern
    destinations answers executable_file_download rare_external_source post_download_beacon
    brute_force icmp_tunnel protocol_on_wrong_port
    long_beacon strobe
    smb_fan_out backup_server_contact admin_management_protocol destructive_recovery_action
    threat_list_match rare_upload);

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_fits_stays() {
        let mut config = Config::default();
        assert_eq!(
            config.most_memory(6) / MIB,
            15 * 32 + 36 + 32 + 16 + 48 + 18 + 6 * 8 + 24 + 32
        );
        config.fit(config.most_memory(6), 6);
        assert_eq!(config, Config::default());
        config.fit(u64::MAX, 5);
        assert_eq!(config, Config::default());
    }

    #[test]
    fn what_does_not_fit_is_scaled_in_one_proportion() {
        for divisor in [2, 3, 7, 100] {
            let whole = Config::default();
            let bytes = whole.most_memory(5) / divisor;
            let mut config = whole.clone();
            config.fit(bytes, 5);
            assert!(config.most_memory(5) <= bytes, "{divisor}");
            assert!(config.most_memory(5) > bytes / 100 * 99, "{divisor}");
            for ((subjects, memory), (before, all)) in config.tables().iter().zip(whole.tables()) {
                assert_eq!(subjects.get(), before.get() / divisor);
                assert_eq!(memory.get(), all.get() / divisor);
            }
            let (undecided, of) = (&config.fan_out_scan, &whole.fan_out_scan);
            assert_eq!(
                undecided.max_undecided.get(),
                of.max_undecided.get() / divisor
            );
            assert_eq!(
                config.max_open_signals.get(),
                whole.max_open_signals.get() / divisor
            );
            assert_eq!(
                config.rules.max_memory.get(),
                whole.rules.max_memory.get() / divisor
            );
            assert_eq!(config.max_exact, whole.max_exact);
        }
    }

    #[test]
    fn nothing_at_all_leaves_one_of_each() {
        let mut config = Config::default();
        config.fit(0, 5);
        assert_eq!(config.max_open_signals.get(), 1);
        assert_eq!(config.problems(), Vec::<String>::new());
    }
}
