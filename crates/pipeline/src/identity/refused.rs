//! A credential that does not let its bearer in: what they are told, and whom it was proved to stand for.
//!
//! It never names anybody before the credential's signature, or the secret of a key, was checked: a record must not say of somebody what a
//! stranger wrote. Called by `verify` and by [`super::Identity`], which know both; the record of the refused request names them.

use std::sync::Arc;

use domain::{Caller, ReasonCode, Refusal};

/// Why a credential lets nobody in, and whose it was.
#[derive(Debug)]
pub struct NotAdmitted {
    /// What the caller is told.
    pub refusal: Refusal,
    /// Whom the credential was proved to stand for; nobody, where it proved nothing.
    pub whose: Option<Arc<Caller>>,
}

impl NotAdmitted {
    pub(super) fn known(whose: impl Into<Arc<Caller>>, refusal: Refusal) -> Self {
        Self {
            refusal,
            whose: Some(whose.into()),
        }
    }

    /// The reason.
    pub fn code(&self) -> ReasonCode {
        self.refusal.code()
    }
}

impl From<Refusal> for NotAdmitted {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            whose: None,
        }
    }
}

impl From<NotAdmitted> for Refusal {
    fn from(not: NotAdmitted) -> Self {
        not.refusal
    }
}
