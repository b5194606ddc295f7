//! Rows of smtp.log.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::protocol::Text;

/// A row of smtp.log.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct SmtpRecord {
    /// When the message's first sign was seen.
    pub ts: Timestamp,
    /// Which message of its flow it is, from 1.
    pub trans_depth: u32,
    /// What the client calls itself.
    pub helo: Option<Text>,
    /// Who sent it.
    pub mailfrom: Option<Text>,
    /// Whom it is for.
    pub rcptto: Option<BTreeSet<Text>>,
    /// Header Date.
    pub date: Option<Text>,
    /// Header From.
    pub from: Option<Text>,
    /// Header To.
    pub to: Option<BTreeSet<Text>>,
    /// Header Cc.
    pub cc: Option<BTreeSet<Text>>,
    /// Header Reply-To.
    pub reply_to: Option<Text>,
    /// Header Message-ID.
    pub msg_id: Option<Text>,
    /// Header In-Reply-To.
    pub in_reply_to: Option<Text>,
    /// Header Subject.
    pub subject: Option<Text>,
    /// Header X-Originating-IP.
    pub x_originating_ip: Option<IpAddr>,
    /// Header Received, the last of them.
    pub first_received: Option<Text>,
    /// Header Received, the one before.
    pub second_received: Option<Text>,
    /// The server's last reply.
    pub last_reply: Option<Text>,
    /// Where it has been, last hosts first.
    pub path: Vec<IpAddr>,
    /// The client's software.
    pub user_agent: Option<Text>,
    /// The session goes over to TLS.
    pub tls: bool,
    /// Which files of its flow it carries, as [`FileRecord`](crate::protocol::files::FileRecord)
    /// counts them.
    pub files: Vec<u32>,
}

impl SmtpRecord {
    /// Bytes it takes, about.
    pub(super) fn size(&self) -> usize {
        let texts = [
            &self.helo,
            &self.mailfrom,
            &self.date,
            &self.from,
            &self.reply_to,
            &self.msg_id,
            &self.in_reply_to,
            &self.subject,
            &self.first_received,
            &self.second_received,
            &self.last_reply,
            &self.user_agent,
        ];
        let sets = [&self.rcptto, &self.to, &self.cc].into_iter().flatten();
        let len = |text: &Text| size_of::<Text>() + text.len();
        size_of::<Self>()
            + texts.into_iter().flatten().map(len).sum::<usize>()
            + sets.flatten().map(len).sum::<usize>()
            + self.path.len() * size_of::<IpAddr>()
            + self.files.len() * size_of::<u32>()
    }
}
