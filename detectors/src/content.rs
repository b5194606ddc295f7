//! What content is: by how it begins, by what is said of it, by its name; and whether these agree.
//!
//! How it begins counts before all else. Where that tells nothing (a batch file is plain text, an
//! Android package a zip archive, an installer of Windows looks like an old document), the media
//! type and the name do.

/// What content is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// It can be run or installed.
    Program,
    /// It is kept: an archive, a document, something nobody knows.
    File,
    /// It is shown: what pages are made of.
    Page,
}

/// What there is to judge by.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Content<'a> {
    /// By how it begins.
    pub(crate) sniffed: Option<&'a str>,
    /// The media type as announced.
    pub(crate) declared: Option<&'a [u8]>,
    /// The name it is to be saved under, or the last part of where it was.
    pub(crate) name: &'a [u8],
}

/// How programs, scripts and installers begin.
const PROGRAMS: [&str; 14] = [
    "application/x-dosexec",
    "application/x-executable",
    "application/x-sharedlib",
    "application/x-mach-o-executable",
    "application/x-java-applet",
    "application/java-archive",
    "application/x-ms-shortcut",
    "application/x-debian-package",
    "application/x-rpm",
    "text/x-shellscript",
    "text/x-python",
    "text/x-perl",
    "text/x-ruby",
    "text/x-lua",
];

/// The type of that name, if it is one that programs begin like.
pub fn program_type(name: &[u8]) -> Option<&'static str> {
    PROGRAMS.into_iter().find(|known| known.as_bytes() == name)
}

/// What programs may begin like: these tell nothing.
const VAGUE: [&str; 3] = ["text/plain", "application/zip", "application/msword"];

/// Media types that say that it is a program.
const DECLARED_PROGRAMS: [&str; 22] = [
    "application/x-msdownload",
    "application/x-msdos-program",
    "application/x-dosexec",
    "application/vnd.microsoft.portable-executable",
    "application/x-executable",
    "application/x-elf",
    "application/x-sharedlib",
    "application/x-mach-binary",
    "application/x-sh",
    "application/x-shellscript",
    "text/x-sh",
    "text/x-shellscript",
    "application/x-msi",
    "application/x-ms-installer",
    "application/vnd.debian.binary-package",
    "application/x-debian-package",
    "application/x-rpm",
    "application/x-redhat-package-manager",
    "application/vnd.android.package-archive",
    "application/java-archive",
    "application/hta",
    "text/vbscript",
];

/// Endings of names of programs.
const PROGRAM_NAMES: [&str; 29] = [
    "exe", "dll", "scr", "cpl", "sys", "msi", "msix", "msp", "ps1", "psm1", "vbs", "vbe", "jse",
    "wsf", "wsh", "hta", "bat", "cmd", "lnk", "jar", "apk", "dmg", "pkg", "deb", "rpm", "sh",
    "run", "elf", "appimage",
];

/// Endings of names of what is kept and is no program.
const FILE_NAMES: [&str; 22] = [
    "zip", "rar", "7z", "gz", "tgz", "bz2", "xz", "zst", "tar", "cab", "iso", "img", "vhd", "pdf",
    "doc", "docx", "docm", "xls", "xlsx", "xlsm", "rtf", "one",
];

/// Applications of pages: beside text, pictures and so on, what they are made of.
const OF_PAGES: [&str; 13] = [
    "application/javascript",
    "application/xml",
    "application/soap+xml",
    "application/xml-rpc",
    "application/ocsp-request",
    "application/ocsp-response",
    "application/font-woff",
    "application/font-woff2",
    "application/vnd.ms-opentype",
    "application/x-font-ttf",
    "application/x-pem",
    "application/pgp-signature",
    "application/pgp-keys",
];

/// What is said of something that nobody is to look at.
const UNSAID: [&str; 3] = [
    "application/octet-stream",
    "application/x-download",
    "application/force-download",
];

impl Content<'_> {
    pub(crate) fn kind(&self) -> Kind {
        match self.sniffed {
            Some(sniffed) if PROGRAMS.contains(&sniffed) => Kind::Program,
            Some(sniffed) if !VAGUE.contains(&sniffed) => {
                let kept = sniffed.starts_with("application/") && !OF_PAGES.contains(&sniffed);
                if kept { Kind::File } else { Kind::Page }
            }
            vague => self.kind_by_word(vague),
        }
    }

    /// Where content itself tells nothing.
    fn kind_by_word(&self, vague: Option<&str>) -> Kind {
        if self.is_called(&PROGRAM_NAMES) || self.is_declared(&DECLARED_PROGRAMS) {
            return Kind::Program;
        }
        let archive = vague.is_some_and(|vague| vague.starts_with("application/"));
        let unknown = vague.is_none() && (self.is_called(&FILE_NAMES) || self.is_declared(&UNSAID));
        if archive || unknown {
            Kind::File
        } else {
            Kind::Page
        }
    }

    /// Whether it is a program by how it begins and something harmless by its type or its name.
    pub(crate) fn is_disguised(&self) -> bool {
        let program = self
            .sniffed
            .is_some_and(|sniffed| PROGRAMS.contains(&sniffed));
        program && (self.is_declared_harmless() || self.is_called_harmless())
    }

    /// Scripts may well be declared to be text.
    fn is_declared_harmless(&self) -> bool {
        let Some(declared) = self.declared.map(media_type) else {
            return false;
        };
        let starts = |start: &[u8]| declared.starts_with(start);
        let script = self
            .sniffed
            .is_some_and(|sniffed| sniffed.starts_with("text/"));
        starts(b"image/")
            || starts(b"audio/")
            || starts(b"video/")
            || starts(b"font/")
            || declared == b"application/pdf"
            || declared == b"application/json"
            || (starts(b"text/") && !script)
    }

    fn is_called_harmless(&self) -> bool {
        const HARMLESS: [&str; 20] = [
            "jpg", "jpeg", "png", "gif", "bmp", "ico", "svg", "webp", "css", "js", "json", "xml",
            "htm", "html", "txt", "pdf", "doc", "docx", "mp3", "mp4",
        ];
        self.is_called(&HARMLESS)
    }

    fn is_called(&self, endings: &[&str]) -> bool {
        let dot = self.name.iter().rposition(|byte| *byte == b'.');
        let ending = dot.and_then(|dot| self.name.get(dot + 1..));
        ending.is_some_and(|ending| {
            endings
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(ending))
        })
    }

    fn is_declared(&self, types: &[&str]) -> bool {
        self.declared.map(media_type).is_some_and(|declared| {
            types
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(declared))
        })
    }

    /// What an analyst is told that it is.
    pub(crate) fn label(&self) -> Vec<u8> {
        let mut label = self
            .sniffed
            .unwrap_or("unknown content")
            .as_bytes()
            .to_vec();
        if let Some(declared) = self.declared.map(media_type)
            && self
                .sniffed
                .is_none_or(|sniffed| sniffed.as_bytes() != declared)
        {
            label.extend_from_slice(b" (declared ");
            label.extend_from_slice(declared.get(..MAX_DECLARED).unwrap_or(declared));
            label.push(b')');
        }
        label
    }
}

/// Bytes of a media type that a label shows.
const MAX_DECLARED: usize = 48;

/// Without its parameters.
fn media_type(declared: &[u8]) -> &[u8] {
    let end = declared.iter().position(|byte| *byte == b';');
    declared
        .get(..end.unwrap_or(declared.len()))
        .unwrap_or(declared)
        .trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content<'a>(sniffed: Option<&'static str>, declared: &'a str, name: &'a str) -> Content<'a> {
        Content {
            sniffed,
            declared: (!declared.is_empty()).then_some(declared.as_bytes()),
            name: name.as_bytes(),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn kinds() {
        use Kind::{File, Page, Program};
        const PE: Option<&str> = Some("application/x-dosexec");
        const TEXT: Option<&str> = Some("text/plain");
        const ZIP: Option<&str> = Some("application/zip");
        // How it begins, declared, called; what it is, and whether it is disguised.
        let cases = [
            (PE, "", "", Program, false),
            (PE, "application/octet-stream", "setup.exe", Program, false),
            (PE, "image/jpeg", "setup.exe", Program, true),
            (PE, "application/x-msdownload", "cat.JPG", Program, true),
            (PE, "text/plain; charset=utf-8", "a", Program, true),
            (
                Some("text/x-shellscript"),
                "text/plain",
                "install.sh",
                Program,
                false,
            ),
            (
                Some("text/x-shellscript"),
                "text/plain",
                "notes.txt",
                Program,
                true,
            ),
            (
                Some("application/x-executable"),
                "",
                "busybox",
                Program,
                false,
            ),
            (TEXT, "text/plain", "run.ps1", Program, false),
            (TEXT, "application/x-sh", "run", Program, false),
            (TEXT, "text/plain", "notes.txt", Page, false),
            (ZIP, "application/zip", "photos.zip", File, false),
            (
                ZIP,
                "application/vnd.android.package-archive",
                "x",
                Program,
                false,
            ),
            (Some("application/msword"), "", "setup.msi", Program, false),
            (Some("application/msword"), "", "letter.doc", File, false),
            (None, "application/octet-stream", "x", File, false),
            (None, "APPLICATION/OCTET-STREAM ; a=b", "x", File, false),
            (None, "", "setup.exe", Program, false),
            (None, "", "data.7z", File, false),
            (None, "", "", Page, false),
            // What says that it is a program, and is none: an error page, mostly.
            (
                Some("text/html"),
                "application/x-msdownload",
                "setup.exe",
                Page,
                false,
            ),
            (Some("image/png"), "", "setup.exe", Page, false),
            (Some("application/pdf"), "", "setup.exe", File, false),
            (Some("application/javascript"), "", "a.js", Page, false),
            (Some("text/json"), "", "a", Page, false),
        ];
        for (sniffed, declared, name, kind, disguised) in cases {
            let content = content(sniffed, declared, name);
            assert_eq!(content.kind(), kind, "{content:?}");
            assert_eq!(content.is_disguised(), disguised, "{content:?}");
        }
    }

    #[test]
    fn labels_say_what_is_declared_if_it_is_something_else() {
        let pe = Some("application/x-dosexec");
        let cases = [
            (pe, "", "application/x-dosexec"),
            (pe, "application/x-dosexec", "application/x-dosexec"),
            (
                pe,
                "image/png; x=y",
                "application/x-dosexec (declared image/png)",
            ),
            (None, "a/b", "unknown content (declared a/b)"),
        ];
        for (sniffed, declared, want) in cases {
            let label = content(sniffed, declared, "").label();
            assert_eq!(String::from_utf8_lossy(&label), want);
        }
        assert!(content(pe, &"x".repeat(5_000), "").label().len() < 100);
    }
}
