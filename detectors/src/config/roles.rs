//! Which hosts have which role.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Config;

/// An address or a network, written as `"10.1.0.30"` or `"10.1.0.0/24"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// The network; of an address, that of this one address.
    pub const fn get(self) -> IpNet {
        self.0
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network| Self(network.trunc())).map_err(|_| {
            format!(
                "{text:?} is neither an address nor a network; write \"10.1.0.30\" or \"10.1.0.0/24\""
            )
        })
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident $field:ident $name:literal,)*) => {
        /// What a host is there for, as far as detectors care.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Role {
            $($(#[$doc])* $role,)*
        }

        impl Role {
            /// Every role.
            pub const ALL: &[Self] = &[$(Self::$role,)*];

            /// The name in the configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$role => $name,)*
                }
            }
        }

        /// For each role the addresses and networks that have it; a host may have several.
        #[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct Roles {
            $($(#[$doc])* pub $field: Vec<Network>,)*
        }

        impl Roles {
            /// Who has a role.
            pub fn of(&self, role: Role) -> &[Network] {
                match role {
                    $(Role::$role => &self.$field,)*
                }
            }
        }
    };
}

roles! {
    /// Offers services to many.
    Server server "server",
    /// Knows who may do what: its hosts replicate directories among each other.
    DomainController domain_controller "domain-controller",
    /// Keeps backups or snapshots.
    Backup backup "backup",
    /// From here backups are administered.
    BackupAdmin backup_admin "backup-admin",
    /// Scans others on purpose: for vulnerabilities, or to know what there is.
    Scanner scanner "scanner",
    /// Is asked for names.
    Resolver resolver "resolver",
    /// Is asked for the time.
    TimeServer time_server "time-server",
    /// From here other hosts are administered.
    Admin admin "admin",
}

impl Config {
    /// What is wrong with roles, each as a sentence that starts with the dotted key.
    pub(super) fn odd_roles(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for role in Role::ALL {
            let (networks, name) = (self.roles.of(*role), role.name());
            for (number, network) in networks.iter().enumerate() {
                let key = format!("roles.{name}[{number}]");
                if network.get().prefix_len() == 0 {
                    problems.push(format!("{key}: {network} is everybody"));
                }
                let before = networks.iter().take(number);
                let holds = |other: &&Network| other.get().contains(&network.get());
                if let Some(other) = { before }.find(holds) {
                    problems.push(format!("{key}: {network} is in {other} already"));
                }
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_read_and_print() {
        let cases = [
            ("10.1.0.30", Ok("10.1.0.30")),
            ("10.1.0.30/24", Ok("10.1.0.0/24")),
            ("10.1.0.30/32", Ok("10.1.0.30")),
            ("fd00:1::/64", Ok("fd00:1::/64")),
            ("fd00::1", Ok("fd00::1")),
            ("10.1.0.300", Err(())),
            ("10.1.0.0/33", Err(())),
            ("backup.example", Err(())),
            ("", Err(())),
        ];
        for (text, want) in cases {
            let read = text.parse::<Network>().map(|network| network.to_string());
            assert_eq!(read.map_err(|_| ()), want.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn every_role_is_a_key_of_its_name() {
        for role in Role::ALL {
            let text = format!(r#"{{"{}": ["10.1.0.30"]}}"#, role.name());
            let roles: Roles = serde_json::from_str(&text).unwrap();
            assert_eq!(roles.of(*role), ["10.1.0.30".parse().unwrap()], "{role:?}");
            let held = Role::ALL.iter().filter(|role| !roles.of(**role).is_empty());
            assert_eq!(held.count(), 1);
            let name = serde_json::to_value(role).unwrap();
            assert_eq!(name, role.name());
        }
    }

    #[test]
    fn roles_of_everybody_and_repetitions_are_problems() {
        let config: Config = serde_json::from_str(
            r#"{"roles": {"backup": ["10.1.0.0/24", "10.1.0.9", "::/0"], "scanner": ["10.1.0.9"]}}"#,
        )
        .unwrap();
        assert_eq!(
            config.problems(),
            [
                "roles.backup[1]: 10.1.0.9 is in 10.1.0.0/24 already",
                "roles.backup[2]: ::/0 is everybody"
            ]
        );
    }
}
