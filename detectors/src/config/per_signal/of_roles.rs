//! Numbers of signals of hosts that have roles, of SMB to many hosts, and of threat lists.

use flow_table::Span;
use serde::{Deserialize, Serialize};

use super::{Bytes, Count, MIB, WindowSpan};

signal_config! {
    /// Numbers of SMB_FAN_OUT, in internal hosts that are not usual for the source.
    SmbFanOut holds (16_384, 8 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(300),
        /// Ports of SMB.
        ports: Vec<u16> = vec![445, 139],
        /// Fires from this many hosts: medium.
        limit: Count = Count::new(5),
        /// This many: high.
        high: Count = Count::new(15),
        /// This many: critical.
        critical: Count = Count::new(30),
        /// A host is usual once its first contact is this long ago.
        usual_after: Span = Span::from_mins(24 * 60),
        /// How many hosts of one source are remembered; those that are not usual are forgotten first.
        max_usual: Count = Count::new(64),
    }
}

signal_config! {
    /// Numbers of BACKUP_SERVER_CONTACT, in hosts with the role `backup`.
    BackupServerContact holds (4_096, 2 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(300),
        /// Fires from this many: medium.
        limit: Count = Count::new(2),
    }
}

signal_config! {
    /// Numbers of ADMIN_MANAGEMENT_PROTOCOL, in protocols.
    AdminManagementProtocol holds (4_096, 2 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(300),
        /// Fires from this many: high.
        limit: Count = Count::new(2),
        /// Ports of SSH.
        ssh: Vec<u16> = vec![22],
        /// Ports of RDP.
        rdp: Vec<u16> = vec![3389],
        /// Ports of WinRM.
        winrm: Vec<u16> = vec![5985, 5986],
        /// Ports of SMB: shares for administrators, among others.
        smb: Vec<u16> = vec![445],
        /// Ports at which WMI begins.
        wmi: Vec<u16> = vec![135],
    }
}

signal_config! {
    /// Numbers of DESTRUCTIVE_RECOVERY_ACTION, in deletions.
    DestructiveRecoveryAction holds (4_096, 2 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(300),
        /// Fires from this many: critical.
        limit: Count = Count::new(2),
    }
}

signal_config! {
    /// Numbers of THREAT_LIST_MATCH; one match is enough: high.
    ThreatListMatch holds (16_384, 4 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(600),
    }
}
