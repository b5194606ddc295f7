//! What a client asks for.

use super::{Last, MAX_ADDRESSES, Mode, SMTP, Sent, Smtp, addresses, starts_with};
use crate::protocol::At;
use crate::protocol::lines::word;

impl Smtp {
    pub(super) fn command(&mut self, at: &mut At<'_>, line: &[u8]) {
        let (name, arg) = word(line);
        let arg = arg.trim_ascii_end();
        if name.is_empty() {
            return;
        }
        if !std::mem::replace(&mut self.confirmed, true) {
            at.sink.confirm(SMTP);
        }
        self.row(at.ts);
        let sent = match name.to_ascii_uppercase().as_slice() {
            b"HELO" | b"EHLO" => {
                self.helo = Some(arg.into());
                self.row(at.ts).helo = Some(arg.into());
                Sent::Other
            }
            b"MAIL" if starts_with(arg, b"FROM:") => {
                self.sender(at, arg);
                Sent::Other
            }
            b"RCPT" if starts_with(arg, b"TO:") => {
                self.recipient(at, arg);
                Sent::Other
            }
            b"DATA" => {
                self.check_recipient(at);
                self.mode = Mode::Data;
                self.mail.begin();
                Sent::Data
            }
            b"BDAT" => self.chunk(at, arg),
            b"STARTTLS" => Sent::StartTls,
            _ => Sent::Other,
        };
        self.wait(sent);
    }

    fn sender(&mut self, at: &mut At<'_>, arg: &[u8]) {
        if self.active {
            self.complete(at);
        }
        let sender = addresses::mailboxes(arg).next();
        let row = self.row(at.ts);
        row.mailfrom = sender.map(Into::into).or(row.mailfrom.take());
        self.active = true;
        (self.sender_seen, self.recipient_seen) = (true, false);
    }

    fn recipient(&mut self, at: &mut At<'_>, arg: &[u8]) {
        let known = self.row(at.ts).rcptto.get_or_insert_default();
        for mailbox in addresses::mailboxes(arg) {
            let mailbox = addresses::short(mailbox);
            if known.len() >= MAX_ADDRESSES && !known.contains(mailbox) {
                at.weird("smtp_too_many_rcptto_addresses");
                break;
            }
            known.insert(mailbox.into());
        }
        self.active = true;
        self.recipient_seen = true;
        if !self.sender_seen {
            self.out_of_order(at, b"rcpt to missing mail from");
        }
    }

    fn check_recipient(&mut self, at: &mut At<'_>) {
        if !self.recipient_seen {
            self.out_of_order(at, b"data missing rcpt to");
        }
    }

    fn out_of_order(&mut self, at: &mut At<'_>, how: &[u8]) {
        at.weird_about("smtp_mail_transaction_invalid", Some(how.into()));
        self.invalid = self.invalid.saturating_add(1);
    }

    /// `BDAT 1000`, `BDAT 10 LAST` (RFC 3030, 2).
    fn chunk(&mut self, at: &mut At<'_>, arg: &[u8]) -> Sent {
        self.check_recipient(at);
        let (size, rest) = word(arg);
        let text = std::str::from_utf8(size).unwrap_or_default();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let Some(size) = text.parse().ok().filter(|_| digits) else {
            let why: &[u8] = if digits && !text.is_empty() {
                b"BDAT argument bad length"
            } else {
                b"BDAT not followed by a valid chunk-size"
            };
            at.weird_about("smtp_invalid_bdat_command", Some(why.into()));
            return Sent::Other;
        };
        let last = rest.eq_ignore_ascii_case(b"LAST");
        self.mail.begin_once();
        self.chunk_left(at, size, if last { Last::Yes } else { Last::No });
        if !last {
            return Sent::Other;
        }
        (self.sender_seen, self.recipient_seen) = (false, false);
        Sent::End
    }
}
