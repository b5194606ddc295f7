//! In which country addresses outside are, and in whose autonomous system, as database files in
//! MaxMind's format say.
//!
//! The files are read into memory as a whole, and asked for each address outside that a finding names.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use detectors::{Finding, Outside};
use flow_table::{Span, Timestamp};
use maxminddb::{MaxMindDbError, Metadata, Reader};
use serde::Deserialize;

use super::config::{Problem, Problems};

/// Bytes of the largest file that is read.
const LARGEST: u64 = 1 << 30;
/// Networks that are looked at for one of which a file says what it is there for.
const TRIED: usize = 4_096;
/// Characters that are kept of a name.
const LONGEST: usize = 120;
/// What is packed begins so.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The files there are.
#[derive(PartialEq, Default, Debug)]
pub(crate) struct Origins {
    country: Option<Database>,
    system: Option<Database>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    reader: Reader<Vec<u8>>,
}

/// As far as can be told without comparing all they say.
impl PartialEq for Database {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.metadata() == other.metadata()
    }
}

/// What a file may say of a network; each says some of it.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    autonomous_system_number: Option<u32>,
    #[serde(borrow)]
    autonomous_system_organization: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Country<'a> {
    #[serde(borrow)]
    iso_code: Option<Cow<'a, str>>,
}

impl Record<'_> {
    fn iso_code(&self) -> Option<&str> {
        self.country.as_ref()?.iso_code.as_deref()
    }
}

impl Origins {
    /// Reads the files for countries and for systems; all that is wrong with them is in the error.
    pub(crate) fn read([country, system]: [Option<PathBuf>; 2]) -> Result<Self, Problems> {
        let country = country.map(|file| {
            let says = |record: &Record<'_>| record.iso_code().is_some();
            Database::read(&file, "country.iso_code", says)
        });
        let system = system.map(|file| {
            let says = |record: &Record<'_>| record.autonomous_system_number.is_some();
            Database::read(&file, "autonomous_system_number", says)
        });
        match (country.transpose(), system.transpose()) {
            (Ok(country), Ok(system)) => Ok(Self { country, system }),
            (country, system) => {
                let problems = [country.err(), system.err()];
                Err(Problems(problems.into_iter().flatten().collect()))
            }
        }
    }

    pub(crate) fn databases(&self) -> impl Iterator<Item = &Database> {
        self.country.iter().chain(&self.system)
    }

    /// Fills in what the files say of an address.
    fn fill(&self, outside: &mut Outside) -> Result<(), String> {
        if let Some(record) = ask(self.country.as_ref(), outside.ip)? {
            outside.country = record.iso_code().map(cut);
        }
        if let Some(record) = ask(self.system.as_ref(), outside.ip)? {
            outside.asn = record.autonomous_system_number;
            outside.as_org = record.autonomous_system_organization.as_deref().map(cut);
        }
        Ok(())
    }
}

fn cut(name: &str) -> Arc<str> {
    let end = name.char_indices().nth(LONGEST).map(|(at, _)| at);
    end.and_then(|end| name.get(..end)).unwrap_or(name).into()
}

/// What a file says, if there is one.
fn ask(database: Option<&Database>, addr: IpAddr) -> Result<Option<Record<'_>>, String> {
    let Some(database) = database else {
        return Ok(None);
    };
    let said = database.ask(addr);
    said.map_err(|error| format!("{}: {error}", database.path.display()))
}

impl Database {
    /// One of which some record `says` what it is there for.
    fn read(path: &Path, what: &str, says: impl Fn(&Record<'_>) -> bool) -> Result<Self, Problem> {
        let read = bytes(path).and_then(|bytes| Self::of(path, bytes));
        let known = read.and_then(|this| match this.any(says) {
            Ok(true) => Ok(this),
            Ok(false) => Err(format!(
                "is of the kind {}, which has no {what}",
                this.kind()
            )),
            Err(error) => Err(error.to_string()),
        });
        known.map_err(|message| Problem::of_file(path, message))
    }

    fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, String> {
        let packed = bytes.starts_with(&GZIP);
        let hint = if packed { "; unpack it first" } else { "" };
        let reader = Reader::from_source(bytes);
        let reader =
            reader.map_err(|error| format!("is no database in MaxMind's format: {error}{hint}"))?;
        let path = path.to_owned();
        Ok(Self { path, reader })
    }

    /// What the file says of itself.
    pub(crate) fn metadata(&self) -> &Metadata {
        self.reader.metadata()
    }

    pub(crate) fn made(&self) -> Timestamp {
        let secs = i64::try_from(self.metadata().build_epoch).unwrap_or(i64::MAX);
        Timestamp::ZERO + Span::from_secs(secs)
    }

    /// `GeoLite2-ASN`, say.
    pub(crate) fn kind(&self) -> Arc<str> {
        cut(&self.metadata().database_type)
    }

    fn ask(&self, addr: IpAddr) -> Result<Option<Record<'_>>, MaxMindDbError> {
        if addr.is_ipv6() && self.metadata().ip_version == 4 {
            return Ok(None);
        }
        self.reader.lookup(addr)?.decode()
    }

    /// Whether that is so of one of the first networks, of IPv4 or of those of IPv6 in use.
    fn any(&self, so: impl Fn(&Record<'_>) -> bool) -> Result<bool, MaxMindDbError> {
        const IN_USE: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);
        let v4 = self.any_from(Ipv4Addr::UNSPECIFIED.into(), &so)?;
        Ok(v4 || (self.metadata().ip_version == 6 && self.any_from(IN_USE.into(), &so)?))
    }

    fn any_from(
        &self,
        first: IpAddr,
        so: impl Fn(&Record<'_>) -> bool,
    ) -> Result<bool, MaxMindDbError> {
        let mut next = Some(first);
        for _ in 0..TRIED {
            let Some(addr) = next else { break };
            let found = self.reader.lookup(addr)?;
            if found.decode()?.as_ref().is_some_and(&so) {
                return Ok(true);
            }
            next =
                after(found.network()?.broadcast()).filter(|next| next.is_ipv4() == addr.is_ipv4());
        }
        Ok(false)
    }
}

/// The next address.
fn after(addr: IpAddr) -> Option<IpAddr> {
    Some(match addr {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().checked_add(1)?).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().checked_add(1)?).into(),
    })
}

/// All of a file that may be one.
fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match fs::metadata(path) {
        Err(error) => Err(error.to_string()),
        Ok(found) if !found.is_file() => Err("is not a file".to_owned()),
        Ok(found) if found.len() > LARGEST => Err(format!("has more than {LARGEST} bytes")),
        Ok(_) => read().map_err(|error| error.to_string()),
    }
}

/// Says of findings where the addresses are that they name.
#[derive(Default, Debug)]
pub(crate) struct Enricher {
    origins: Arc<Origins>,
    /// Addresses of which a file could not say anything, and why of the last.
    failed: u64,
    why: String,
}

impl Enricher {
    /// From now on these files are asked.
    pub(crate) fn ask(&mut self, origins: Arc<Origins>) {
        self.origins = origins;
    }

    /// Fills in what is known; addresses of which nothing is are left out.
    pub(crate) fn enrich(&mut self, finding: &mut Finding) {
        for signal in finding.signals_mut() {
            self.place(&mut signal.evidence.outside);
        }
    }

    fn place(&mut self, outside: &mut Vec<Outside>) {
        for outside in outside.iter_mut() {
            if let Err(why) = self.origins.fill(outside) {
                (self.failed, self.why) = (self.failed + 1, why);
            }
        }
        outside.retain(Outside::is_known);
    }

    /// How many addresses nothing could be said of, and a sentence about them.
    pub(crate) fn lost(&self) -> Option<(u64, String)> {
        let Self { failed, why, .. } = self;
        let told = || format!("{failed} look-ups of addresses failed, the last in {why}");
        (*failed > 0).then(|| (*failed, told()))
    }
}

#[cfg(test)]
mod tests;
