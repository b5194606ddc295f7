//! Oddities of packets and of what flows do below their protocols, under the names that Zeek's
//! weird.log has for them.
//!
//! A packet on which there is nothing to remark costs a comparison with zero. Of each flow an
//! oddity is told once in [`INTERVAL`], as far as the few flows that were odd last are remembered;
//! whoever writes the log has the last word.

use crate::protocol::{Record, Weird};
use crate::{FlowId, ProtocolRow, Span, Timestamp, Uid};

/// How long the same is not told again, as in Zeek.
const INTERVAL: Span = Span::from_mins(10);

macro_rules! oddities {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $source:literal;)+) => {
        /// Something that is remarkable.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Oddity { $($(#[doc = $doc])+ $name,)+ }

        impl Oddity {
            const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// Zeek's name for it, and which of its analyzers tells it.
            const fn name(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($text, $source),)+ }
            }
        }
    };
}

oddities! {
    /// Zeek tells nobody of it, but remembers that something was odd.
    Unremarked = "", "";
    /// A SYN has another sequence number than the one before.
    SynSeqJump = "SYN_seq_jump", "";
    /// A SYN of an end that had sent data.
    SynInside = "SYN_inside_connection", "";
    /// SYN and RST.
    Christmas = "TCP_christmas", "";
    /// SYN and URG.
    BaroqueSyn = "baroque_SYN", "";
    /// A SYN that brings data.
    SynWithData = "SYN_with_data", "";
    /// A sequence number below the first.
    SeqUnderflow = "TCP_seq_underflow_or_misorder", "TCP";
    /// Acknowledged is what was sent before the beginning.
    AckUnderflow = "TCP_ack_underflow_or_misorder", "TCP";
    /// An ACK of what a peer sent that was never seen.
    SplitRouting = "possible_split_routing", "";
    /// It began with a SYN-ACK.
    OriginatorSynAck = "connection_originator_SYN_ack", "TCP";
    /// A SYN-ACK that acknowledges what was not sent.
    BadSynAck = "bad_SYN_ack", "TCP";
    /// Both ends sent a SYN.
    SimultaneousOpen = "simultaneous_open", "TCP";
    /// A SYN, and later one with ACK from the same end.
    RepeatedSynWithAck = "repeated_SYN_with_ack", "TCP";
    /// An answer to a SYN was sent again, without ACK.
    RepeatedSynWithoutAck = "repeated_SYN_reply_wo_ack", "TCP";
    /// A FIN before the peer answered.
    InappropriateFin = "inappropriate_FIN", "TCP";
    /// Data before the peer answered.
    DataBeforeEstablished = "data_before_established", "TCP";
    /// A SYN of an end of whom the middle was seen before.
    SynAfterPartial = "SYN_after_partial", "TCP";
    /// A SYN after a FIN.
    SynAfterClose = "SYN_after_close", "TCP";
    /// A second FIN, further on than the first.
    FinAdvanced = "FIN_advanced_last_seq", "TCP";
    /// A SYN after a RST.
    SynAfterReset = "SYN_after_reset", "TCP";
    /// Data after a RST.
    DataAfterReset = "data_after_reset", "TCP";
    /// Payload was not captured to its end.
    TruncatedPayload = "truncated_tcp_payload", "TCP";
    /// Much came above a hole, and nothing was ever acknowledged.
    AboveHole = "above_hole_data_without_any_acks", "TCP";
    /// Much came that was not acknowledged.
    ExcessiveData = "excessive_data_without_further_acks", "TCP";
    /// A new flow between the same ends, while the one before was going on.
    ActiveReuse = "active_connection_reuse", "TCP";
    /// The same, right after it.
    PrematureReuse = "premature_connection_reuse", "TCP";
    /// The length of a TCP header is impossible.
    BadTcpHeader = "bad_TCP_header_len", "TCP";
    /// The checksum is wrong.
    BadTcpChecksum = "bad_TCP_checksum", "TCP";
    /// The checksum is wrong.
    BadUdpChecksum = "bad_UDP_checksum", "UDP";
    /// The checksum is wrong.
    BadIcmpChecksum = "bad_ICMP_checksum", "ICMP";
}

/// A set of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Oddities(u32);

const _: () = assert!(Oddity::ALL.len() <= 32);

impl Oddities {
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn note(&mut self, what: Oddity) {
        self.0 |= 1 << what as u32;
    }

    pub(crate) const fn has(self, what: Oddity) -> bool {
        self.0 & 1 << what as u32 != 0
    }

    pub(crate) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl From<Oddity> for Oddities {
    fn from(what: Oddity) -> Self {
        let mut all = Self::default();
        all.note(what);
        all
    }
}

/// Flows that are remembered as odd.
const REMEMBERED: usize = 32;

/// What was told of one flow.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    uid: Uid,
    since: Timestamp,
    what: u32,
}

/// What was told of the flows that were odd last.
#[derive(Debug)]
pub(crate) struct Telling {
    /// By the lowest bits of the flow's slot.
    told: Box<[Told; REMEMBERED]>,
}

impl Default for Telling {
    fn default() -> Self {
        Self {
            told: Box::new([Told::default(); REMEMBERED]),
        }
    }
}

/// A packet of a flow, and when it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) slot: u32,
    pub(crate) uid: Uid,
    pub(crate) id: FlowId,
    /// The packet's own time.
    pub(crate) ts: Timestamp,
    pub(crate) now: Timestamp,
}

impl Telling {
    /// Tells what is odd about a packet, unless it was told of its flow already.
    #[cold]
    pub(crate) fn tell(&mut self, odd: Oddities, seen: &Seen, rows: &mut Vec<ProtocolRow>) {
        let place = usize::try_from(seen.slot).unwrap_or_default() % REMEMBERED;
        let Some(told) = self.told.get_mut(place) else {
            return;
        };
        if told.uid != seen.uid || seen.now.since(told.since) >= INTERVAL {
            *told = Told {
                uid: seen.uid,
                since: seen.now,
                what: Oddities::from(Oddity::Unremarked).0,
            };
        }
        let new = Oddities(odd.0 & !told.what);
        told.what |= odd.0;
        let new = Oddity::ALL.into_iter().filter(|what| new.has(*what));
        rows.extend(new.map(|what| seen.row(what)));
    }
}

impl Seen {
    fn row(&self, what: Oddity) -> ProtocolRow {
        let (name, source) = what.name();
        ProtocolRow {
            time: self.now,
            uid: self.uid,
            // Parsers number their rows from 0.
            seq: 1 << 31 | what as u32,
            id: self.id,
            record: Record::Weird(Box::new(Weird {
                ts: self.ts,
                name,
                addl: None,
                source,
            })),
        }
    }
}
