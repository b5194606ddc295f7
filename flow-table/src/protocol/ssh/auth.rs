//! Guessing from sizes whether somebody signed in.

use serde::{Deserialize, Serialize};

use crate::Side;

/// How much smaller the message is that lets one in than the one that offers to try: one byte
/// against seventeen, both filled up to eight.
const SUCCESS_IS_SMALLER_BY: usize = 16;
/// Bytes by which a banner exceeds what would be a refusal.
const BANNER: usize = 256;

/// What is known of the sizes so far.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(super) struct Guess {
    client_spoke: bool,
    skipped_banner: bool,
    decided: bool,
    /// Of the server's acceptance of the authentication service.
    accept: usize,
    /// Of its first refusal, which may only list methods.
    failure: usize,
    /// Segments of the server's after that which are neither refusals nor let anybody in.
    others: u32,
}

/// Such segments of a session in which nobody got in: the one that says goodbye.
const GOODBYE: u32 = 1;

impl Guess {
    /// Takes the size of an encrypted segment: whether it ends an attempt, and how.
    pub(super) const fn segment(&mut self, side: Side, len: usize) -> Option<bool> {
        if self.decided {
            return None;
        }
        if matches!(side, Side::Orig) {
            self.client_spoke = true;
            return None;
        }
        if !self.client_spoke {
            return None;
        }
        if self.accept == 0 {
            self.accept = len;
            return None;
        }
        let success = len + SUCCESS_IS_SMALLER_BY == self.accept;
        if self.failure == 0 && !success {
            if !self.skipped_banner && len > self.accept + BANNER {
                self.skipped_banner = true;
            } else {
                self.failure = len;
            }
            return None;
        }
        if self.failure == len {
            return Some(false);
        }
        if success {
            self.decided = true;
            return Some(true);
        }
        self.others = self.others.saturating_add(1);
        None
    }

    /// Whether a session that is over was refused all along, as far as sizes tell.
    pub(super) const fn was_refused(&self) -> bool {
        self.failure > 0 && !self.decided && self.others <= GOODBYE
    }

    /// Nothing more can be told.
    pub(super) const fn give_up(&mut self) {
        self.decided = true;
    }
}
