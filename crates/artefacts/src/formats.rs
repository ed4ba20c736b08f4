//! The table of artefacts: every kind of file that can be written for a ring, its word on the command line, its name, where it goes on a
//! device. The one place that knows them all; each writer knows its own format alone.

use domain::opaque::{hex, sha256};

use crate::ring::Ring;
use crate::{code, desktop, notes};

/// A file for a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Which kind it is.
    pub artefact: Artefact,
    /// Its name, safe on every system; with a folder before it for drop-ins.
    pub name: String,
    /// Its type for a browser.
    pub media_type: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl File {
    /// SHA-256 of the file in hexadecimal, to compare with what is on a device.
    pub fn fingerprint(&self) -> String {
        hex(&sha256(&self.bytes))
    }
}

macro_rules! artefacts {
    ($( $artefact:ident $word:literal $system:ident $name:literal $media:ident $what:literal $place:literal; )*) => {
        /// A kind of file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Artefact {
            $( #[doc = $what] $artefact, )*
        }

        impl Artefact {
            /// Every kind, in the order in which people look for them.
            pub const ALL: &'static [Self] = &[ $( Self::$artefact, )* ];

            /// Its word, on the command line and in addresses.
            pub const fn word(self) -> &'static str {
                match self { $( Self::$artefact => $word, )* }
            }

            /// What it is, for people.
            pub const fn what(self) -> &'static str {
                match self { $( Self::$artefact => $what, )* }
            }

            /// Where it goes.
            pub const fn place(self) -> &'static str {
                match self { $( Self::$artefact => $place, )* }
            }

            /// The name of its file, or of its folder; `{}` stands for the ring.
            const fn pattern(self) -> &'static str {
                match self { $( Self::$artefact => $name, )* }
            }

            /// Its type for a browser.
            const fn media_type(self) -> &'static str {
                match self { $( Self::$artefact => $media, )* }
            }

            /// The system it is for.
            pub const fn system(self) -> System {
                match self { $( Self::$artefact => System::$system, )* }
            }
        }
    };
}

/// The system that a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
    /// Linux.
    Linux,
    /// All of them.
    Any,
}

impl System {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MacOs => "macOS",
            Self::Windows => "Windows",
            Self::Linux => "Linux",
            Self::Any => "any",
        }
    }
}

artefacts! {
    DesktopMobileconfig "desktop-mobileconfig" MacOs "claude-desktop-{}.mobileconfig" PROFILE "Claude Desktop's configuration profile" "any device management for macOS";
    DesktopJamf "desktop-jamf" MacOs "claude-desktop-{}.plist" PLIST "Claude Desktop's preferences for Jamf Pro" "Jamf Pro: Application & Custom Settings, domain com.anthropic.claudefordesktop";
    DesktopRegistry "desktop-registry" Windows "claude-desktop-{}.reg" REG "Claude Desktop's policy as a registry file" "HKLM\\SOFTWARE\\Policies\\Claude";
    DesktopLinux "desktop-linux" Linux "claude-desktop-{}.json" JSON "Claude Desktop's managed settings" "/etc/claude-desktop/managed-settings.json, owned by root, writable by nobody else, its folder too";
    CodeFile "code-file" Any "claude-code-{}.json" JSON "Claude Code's managed settings in one file" "managed-settings.json in /Library/Application Support/ClaudeCode, /etc/claude-code or C:\\Program Files\\ClaudeCode";
    CodeDropins "code-dropins" Any "managed-settings.d" JSON "Claude Code's managed settings as drop-ins" "managed-settings.d beside managed-settings.json";
    CodeMcp "code-mcp" Any "claude-code-{}.managed-mcp.json" JSON "The company's MCP servers, and no others" "managed-mcp.json beside managed-settings.json";
    CodeMobileconfig "code-mobileconfig" MacOs "claude-code-{}.mobileconfig" PROFILE "Claude Code's configuration profile" "any device management for macOS";
    CodeJamf "code-jamf" MacOs "claude-code-{}.plist" PLIST "Claude Code's preferences for Jamf Pro" "Jamf Pro: Application & Custom Settings, domain com.anthropic.claudecode";
    CodeRegistry "code-registry" Windows "claude-code-{}.reg" REG "Claude Code's policy as a registry file" "HKLM\\SOFTWARE\\Policies\\ClaudeCode, value Settings";
    Intune "intune" Windows "claude-{}.intune.json" JSON "Both programs' policy for Intune" "Microsoft Graph: POST /deviceManagement/deviceConfigurations";
    Admx "admx" Windows "claude.admx" XML "The policy template for both programs, the same for every ring" "the central store: PolicyDefinitions\\claude.admx";
    Adml "adml" Windows "claude.adml" XML "The template's texts in English" "the central store: PolicyDefinitions\\en-US\\claude.adml";
    NotesIntune "notes-intune" Windows "install-intune-{}.txt" TEXT "How to install with Intune" "for you to read";
    NotesJamf "notes-jamf" MacOs "install-jamf-{}.txt" TEXT "How to install with Jamf Pro" "for you to read";
    NotesOther "notes-other" Any "install-other-{}.txt" TEXT "How to install with anything else, or by hand" "for you to read";
}

impl Artefact {
    /// The kind of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|artefact| artefact.word() == word)
    }

    /// Whether it explains rather than being installed.
    pub const fn is_note(self) -> bool {
        matches!(self, Self::NotesIntune | Self::NotesJamf | Self::NotesOther)
    }

    /// Its files for a ring: one, but several drop-ins, and none where there is nothing to say.
    pub fn write(self, ring: &Ring) -> Vec<File> {
        let name = self.pattern().replace("{}", ring.slug());
        let file = |name: String, bytes: Vec<u8>| File {
            artefact: self,
            name,
            media_type: self.media_type(),
            bytes,
        };
        let one = match self {
            Self::CodeDropins => {
                let parts = code::dropins::write(ring).into_iter();
                return parts
                    .map(|(part, bytes)| file(format!("{name}/{part}"), bytes))
                    .collect();
            }
            Self::CodeMcp => code::mcp::write(ring),
            Self::DesktopMobileconfig => Some(desktop::mobileconfig::write(ring)),
            Self::DesktopJamf => Some(desktop::jamf::write(ring)),
            Self::DesktopRegistry => Some(desktop::registry::write(ring)),
            Self::DesktopLinux => Some(desktop::linux::write(ring)),
            Self::CodeFile => Some(code::file::write(ring)),
            Self::CodeMobileconfig => Some(code::mobileconfig::write(ring)),
            Self::CodeJamf => Some(code::jamf::write(ring)),
            Self::CodeRegistry => Some(code::registry::write(ring)),
            Self::Intune => Some(desktop::intune::write(ring)),
            Self::Admx => Some(desktop::admx::template()),
            Self::Adml => Some(desktop::admx::texts()),
            Self::NotesIntune => Some(notes::intune(ring).into_bytes()),
            Self::NotesJamf => Some(notes::jamf(ring).into_bytes()),
            Self::NotesOther => Some(notes::other(ring).into_bytes()),
        };
        one.map(|bytes| file(name, bytes)).into_iter().collect()
    }
}

/// Every file of a ring.
pub fn all(ring: &Ring) -> Vec<File> {
    let kinds = Artefact::ALL.iter();
    kinds.flat_map(|artefact| artefact.write(ring)).collect()
}

const PROFILE: &str = "application/x-apple-aspen-config";
const PLIST: &str = "application/x-plist";
const REG: &str = "text/plain; charset=utf-16le";
const JSON: &str = "application/json";
const XML: &str = "application/xml";
const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_finds_its_artefact_and_no_other() {
        for artefact in Artefact::ALL {
            assert_eq!(Artefact::of(artefact.word()), Some(*artefact));
        }
        assert_eq!(Artefact::of("desktop"), None);
    }
}
