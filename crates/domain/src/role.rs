//! What a person is for the organisation. What each role may is `control`'s one table, in its `access`.

use crate::words::words;

words! {
    /// What a person is for the organisation.
    Role ("role") {
        /// May do everything, and alone gives roles and directory tokens. One or two people.
        Owner "owner",
        /// Runs it day by day.
        Admin "admin",
        /// Decides about what others ask for.
        Approver "approver",
        /// Reads everything and writes nothing of the company's.
        Auditor "auditor",
        /// A service provider's technician: sets up and runs, but does not read the ledger, give roles or spend the customer's money.
        /// In several organisations by a binding in each; every request is of one.
        Technician "technician",
        /// Everyone the directory knows: their own things only. Nobody needs to be given it.
        Member "member",
    }
}
