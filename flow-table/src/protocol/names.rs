//! Names that parsers give to what they find are constants of the program. Where one is part of what
//! is kept from one run to the next it is written as text, and read as the constant of that name: what
//! is none of them is no state that anybody kept.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::recognise::Protocol;
use super::{Service, mime};
use crate::IpProto;

/// Names of services besides those of protocols that are recognised: of what those turn into, of who signs
/// in, of tunnels.
const SERVICES: [&str; 9] = [
    "ayiya",
    "ftp-data",
    "geneve",
    "gssapi",
    "gtpv1",
    "ntlm",
    "teredo",
    "vxlan",
    "websocket",
];
/// What carries files.
const SOURCES: [&str; 3] = ["FTP_DATA", "HTTP", "SMTP"];

impl Service {
    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let recognised = Protocol::ALL
            .iter()
            .flat_map(|protocol| [IpProto::TCP, IpProto::UDP].map(|proto| protocol.service(proto)));
        let others = SERVICES.into_iter().map(Self);
        recognised.chain(others).find(|service| service.0 == name)
    }
}

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Self::named(&name).ok_or_else(|| D::Error::custom("no service"))
    }
}

/// What carried a file.
pub(super) mod source {
    use super::{Deserialize, Deserializer, Error, SOURCES, Serializer};

    pub(in crate::protocol) fn serialize<S: Serializer>(
        name: &str,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(name)
    }

    pub(in crate::protocol) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<&'static str, D::Error> {
        let name = String::deserialize(from)?;
        let known = SOURCES.into_iter().find(|known| *known == name);
        known.ok_or_else(|| D::Error::custom("nothing that carries files"))
    }
}

/// What content is.
pub(super) mod media_type {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer, mime};

    #[expect(clippy::ref_option_ref, reason = "as serde calls it")]
    pub(in crate::protocol) fn serialize<S: Serializer>(
        name: &Option<&'static str>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        name.serialize(to)
    }

    pub(in crate::protocol) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<&'static str>, D::Error> {
        let Some(name) = Option::<String>::deserialize(from)? else {
            return Ok(None);
        };
        let known = mime::named(&name);
        known.map(Some).ok_or_else(|| D::Error::custom("no type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TunnelKind::{Ayiya, Geneve, Gre, Gtp, Ip, Teredo, Vxlan};

    #[test]
    fn services_are_found_by_name() {
        for name in ["ssl", "http", "krb", "krb_tcp", "ftp-data", "smb", "ntlm"] {
            assert_eq!(Service::named(name), Some(Service(name)), "{name}");
        }
        for kind in [Ayiya, Geneve, Gre, Gtp, Ip, Teredo, Vxlan] {
            let service = kind.service();
            let known = service.and_then(|service| Service::named(service.0));
            assert_eq!(known, service, "{kind:?}");
        }
        for name in ["", "HTTP", "another"] {
            assert_eq!(Service::named(name), None, "{name}");
        }
    }
}
