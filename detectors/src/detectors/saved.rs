//! Everything that is known as bytes, and back.
//!
//! What follows from the configuration is not in them. What they say of time is packet time, and what
//! they say of hosts is hashed with the configured seed, so they are of use to whoever has the same.
//! They are checked as a whole before any of them is believed, and no less in every part: whoever can
//! write them could make the sum right, too.

use super::Detectors;
use crate::hash::IdHash;
use crate::state::{Loader, Saver, State, Unfit};
use crate::{Config, Rule, SignalKind};

/// What the bytes begin with.
const MAGIC: &[u8; 8] = b"flhkstat";
/// Another one whenever something else is saved, or in another way.
const VERSION: u64 = 4;
/// Where that begins which the sum is over: after it, the version and the magic.
const BODY: usize = MAGIC.len() + size_of::<u64>() + size_of::<u128>();

/// Why state cannot be restored. Nothing of it is used then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something else.
    #[error("is no saved state")]
    Foreign,
    /// The format, or the signals that there are.
    #[error("was saved by another version of flowhawk (format {found}; this one reads {VERSION})")]
    Version {
        /// The format that it says it has.
        found: u64,
    },
    /// The seed that hashes hosts.
    #[error("was saved under another detectors.hash_seed")]
    Seed,
    /// Cut short, or changed.
    #[error("is damaged")]
    Damaged,
}

impl From<Unfit> for RestoreError {
    fn from(_: Unfit) -> Self {
        Self::Damaged
    }
}

impl Detectors {
    /// All that is known now, as bytes: the same state gives the same bytes. Findings that were not
    /// drained yet are not part of it, nor are counters.
    pub fn snapshot(&self) -> Vec<u8> {
        self.snapshot_beside(&[])
    }

    /// The same, and beside it what others find there again ([`Detectors::beside`]).
    pub fn snapshot_beside(&self, others: &[u8]) -> Vec<u8> {
        let mut body = Saver::after([0; BODY]);
        body.put(&(kinds(), self.seed_check()));
        body.section(|to| to.bytes(others));
        self.observer.save(&mut body);
        self.board.save(&mut body);
        for signal in &self.signals {
            body.section(|to| signal.save(to));
        }
        let mut bytes = body.into_bytes();
        if let Some((before, body)) = bytes.split_first_chunk_mut() {
            *before = head(body);
        }
        bytes
    }

    /// What [`Detectors::new`] makes, knowing what was known when the snapshot was taken: goes on as if
    /// it had never stopped. Thresholds, bounds and suppressions are those of `config`. What is
    /// measured otherwise now than then begins anew, counted in [`crate::Counters::state_dropped`]:
    /// signals over windows of another length, rules that say something else.
    pub fn restore(
        config: &Config,
        rules: Vec<Rule>,
        snapshot: &[u8],
    ) -> Result<Self, RestoreError> {
        Self::new(config, rules).informed(snapshot)
    }

    /// The same detectors, which must know nothing yet, knowing what was known then;
    /// see [`Detectors::restore`].
    pub fn informed(self, snapshot: &[u8]) -> Result<Self, RestoreError> {
        let mut body = Loader::new(body(snapshot)?);
        let mut this = self;
        let (kinds_then, seed_then): (u128, u64) = body.take()?;
        if kinds_then != kinds() {
            return Err(RestoreError::Version { found: VERSION });
        }
        if seed_then != this.seed_check() {
            return Err(RestoreError::Seed);
        }
        body.section()?;
        this.observer.load(&mut body)?;
        this.board.load(&mut body)?;
        for signal in &mut this.signals {
            let mut saved = body.section()?;
            match signal.load(&mut saved) {
                Ok(()) => saved.end()?,
                Err(Unfit::Changed) => this.dropped += 1,
                Err(Unfit::Damaged) => return Err(RestoreError::Damaged),
            }
        }
        body.end()?;
        Ok(this)
    }

    /// What others put beside a snapshot, which is checked no further than its sum.
    pub fn beside(snapshot: &[u8]) -> Result<&[u8], RestoreError> {
        let mut body = Loader::new(body(snapshot)?);
        let _: (u128, u64) = body.take()?;
        Ok(body.section()?.rest())
    }

    /// Tells one seed from another, and nothing about it.
    fn seed_check(&self) -> u64 {
        self.observer.hash.name(MAGIC)
    }
}

/// The part that the sum is over, if it is right.
fn body(snapshot: &[u8]) -> Result<&[u8], RestoreError> {
    let rest = snapshot.strip_prefix(MAGIC).ok_or(RestoreError::Foreign)?;
    let (version, rest) = rest.split_first_chunk().ok_or(RestoreError::Damaged)?;
    let found = u64::from_le_bytes(*version);
    if found != VERSION {
        return Err(RestoreError::Version { found });
    }
    let (told, body) = rest.split_first_chunk().ok_or(RestoreError::Damaged)?;
    if u128::from_le_bytes(*told) == sum(body) {
        Ok(body)
    } else {
        Err(RestoreError::Damaged)
    }
}

/// What stands before the body.
fn head(body: &[u8]) -> [u8; BODY] {
    let mut head = [0; BODY];
    let parts = [
        MAGIC.as_slice(),
        &VERSION.to_le_bytes(),
        &sum(body).to_le_bytes(),
    ];
    for (place, byte) in head.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    head
}

fn sum(body: &[u8]) -> u128 {
    IdHash::new("state").bytes(body).finish().0
}

/// Names the signals that there are, which decides what a number in the bytes stands for.
fn kinds() -> u128 {
    let kinds = SignalKind::ALL.iter();
    kinds
        .fold(IdHash::new("kinds"), |id, kind| id.text(kind.name()))
        .finish()
        .0
}

#[cfg(test)]
mod tests;
