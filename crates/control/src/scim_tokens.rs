//! The tokens with which a company's directory provisions, `dws_…`: bound to one issuer, two at most so that one can follow the other.
//! The token itself is returned once and kept nowhere.

use domain::opaque::hex;
use domain::vouching::NoGroups;
use domain::{Opaque, Timestamp, TokenId, Vouching, limits};
use ledger::record::{Change, ChangeKind};
use secrecy::SecretString;
pub use store::{Provisioned, ScimToken, Source};

use crate::access::{Actor, Right};
use crate::entry::Entry;
use crate::text::{self, Unusable};
use crate::{Control, ControlError, Operation, fingerprint};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// For how many hours a token goes on to open beside its successor when nobody says otherwise.
pub const OVERLAP_HOURS: u16 = 24;

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewScimToken {
    /// The issuer whose directory it is, by its configured name.
    pub issuer: String,
    /// The issuer's tenant; need not be named where there is one, or none.
    pub tenant: Option<String>,
    /// What people call it.
    pub name: String,
    /// After how many days it ends; never when left out.
    pub days: Option<u32>,
}

/// Makes a token for the directory of an issuer that vouches for people. It opens as soon as this returns, on every replica.
pub async fn create(
    operation: &Operation<'_>,
    vouching: &Vouching,
    new: NewScimToken,
) -> Result<(ScimToken, SecretString), ControlError> {
    operation.require(Right::DirectoryWrite)?;
    let tenant = vouching
        .tenant_of_directory(&new.issuer, new.tenant.as_deref())
        .map_err(|why| not_a_directory(&why))?;
    let source = Source {
        issuer: new.issuer,
        tenant,
    };
    let name = text::name("name", &new.name)?;
    check_days(new.days)?;
    let secret = Opaque::DirectoryToken.mint(operation.ids);
    let (unix_ms, random) = operation.id_parts();
    let created = operation.clock.now();
    let lifetime = new.days.map(|days| i64::from(days) * DAY_MS);
    let token = ScimToken {
        id: TokenId::from_parts(unix_ms, random),
        token_hash: hex(&Opaque::DirectoryToken.sha256_of(&secret)),
        source,
        name,
        prefix: Opaque::DirectoryToken.shown_of(&secret),
        made_by: operation.actor.label().to_owned(),
        created,
        expires: lifetime.map(|ms| created.plus_ms(ms)),
        revoked_at: None,
        used_at: None,
    };
    let mut change = about(operation, &token, ChangeKind::Created);
    change.after = Some(fingerprint(&rights(&token)).as_str().into());
    let adding = operation.store.add_scim_token(operation.org, &token);
    operation.make(change, adding).await?;
    Ok((token, secret))
}

/// Everything that is wrong with a token to make but its directory, in the order of a form.
pub fn mistakes(new: &NewScimToken) -> Vec<ControlError> {
    let name = text::name("name", &new.name).map(|_| ());
    let all = [name.map_err(ControlError::from), check_days(new.days)];
    all.into_iter().filter_map(Result::err).collect()
}

fn check_days(days: Option<u32>) -> Result<(), ControlError> {
    let fine = 1..=limits::SERVICE_KEY_DAYS_MAX;
    if days.is_none_or(|days| fine.contains(&days)) {
        return Ok(());
    }
    let why = format!("must be 1 to {}", limits::SERVICE_KEY_DAYS_MAX);
    Err(Unusable::new("expires_in_days", why).into())
}

fn not_a_directory(why: &NoGroups) -> Unusable {
    let field = match why {
        NoGroups::Issuer => "issuer",
        NoGroups::Tenant | NoGroups::WhichTenant(_) => "tenant",
    };
    Unusable::new(field, format!("cannot be: {why}"))
}

/// Every token: those that open before all others, then newest first. What opens nothing is kept for
/// [`limits::CREDENTIALS_KEPT_MS`].
pub async fn list(operation: &Operation<'_>) -> Result<Vec<ScimToken>, ControlError> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let (found, more) = page(operation, before, limits::STORE_PAGE_MAX).await?;
        before = found.last().map(|last: &ScimToken| last.id);
        all.extend(found);
        if !more {
            break;
        }
    }
    let now = operation.clock.now();
    all.sort_by_key(|token| !token.opens(now));
    Ok(all)
}

/// A directory, and what it has provisioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Whose.
    pub source: Source,
    /// Counted now.
    pub provisioned: Provisioned,
}

/// Every directory there may be: one of each issuer that vouches for people, or of each of its tenants.
pub async fn directories(
    operation: &Operation<'_>,
    vouching: &Vouching,
) -> Result<Vec<Directory>, ControlError> {
    operation.require(Right::DirectoryRead)?;
    let mut all = Vec::new();
    for (issuer, tenant) in vouching.directories() {
        let source = Source { issuer, tenant };
        let provisioned = operation.store.provisioned(operation.org, &source).await?;
        all.push(Directory {
            source,
            provisioned,
        });
    }
    Ok(all)
}

/// The token of this id, as long as it opens.
pub async fn one(operation: &Operation<'_>, token: TokenId) -> Result<ScimToken, ControlError> {
    operation.require(Right::DirectoryRead)?;
    find(operation, &token.to_string()).await
}

/// The tokens made before one of them, newest first, and whether there are more.
pub async fn page(
    operation: &Operation<'_>,
    before: Option<TokenId>,
    limit: u32,
) -> Result<(Vec<ScimToken>, bool), ControlError> {
    operation.require(Right::DirectoryRead)?;
    let store = operation.store;
    Ok(store.scim_tokens_page(operation.org, before, limit).await?)
}

/// Takes a token away, named by its id or its first characters. It opens nothing from then on.
pub async fn revoke(
    operation: &Operation<'_>,
    which: &str,
    why: &str,
) -> Result<ScimToken, ControlError> {
    operation.require(Right::DirectoryWrite)?;
    let why = text::reason("reason", why)?;
    let token = find(operation, which).await?;
    let mut change = about(operation, &token, ChangeKind::Deleted);
    change.reason = Some(why.as_str().into());
    operation.record(change).await?;
    let now = operation.clock.now();
    operation
        .store
        .revoke_scim_token(operation.org, token.id, now)
        .await?;
    Ok(token)
}

/// Makes a token's successor, with the same source, name and length of life. The old one opens for so many hours more, at most
/// [`limits::SCIM_TOKEN_OVERLAP_HOURS_MAX`], in which the new one is brought to the directory.
pub async fn rotate(
    operation: &Operation<'_>,
    vouching: &Vouching,
    which: &str,
    overlap_hours: u16,
) -> Result<(ScimToken, SecretString), ControlError> {
    operation.require(Right::DirectoryWrite)?;
    if overlap_hours > limits::SCIM_TOKEN_OVERLAP_HOURS_MAX {
        let why = format!("must be 0 to {}", limits::SCIM_TOKEN_OVERLAP_HOURS_MAX);
        return Err(Unusable::new("overlap_hours", why).into());
    }
    let old = find(operation, which).await?;
    let life_ms = old.expires.map(|expires| expires.ms_since(old.created));
    let new = NewScimToken {
        issuer: old.source.issuer.clone(),
        tenant: old.source.tenant.clone(),
        name: old.name.clone(),
        // One that gives way already, to a successor that was taken away, may have lived less than a day.
        days: life_ms.and_then(|ms| u32::try_from((ms / DAY_MS).max(1)).ok()),
    };
    let made = create(operation, vouching, new).await?;
    let end = operation.clock.now();
    let end = end.plus_ms(i64::from(overlap_hours) * HOUR_MS);
    let mut change = about(operation, &old, ChangeKind::Updated);
    change.reason = Some(
        format!("followed by {}; ends {end}", made.0.prefix)
            .as_str()
            .into(),
    );
    operation.record(change).await?;
    operation
        .store
        .end_scim_token(operation.org, old.id, end)
        .await?;
    Ok(made)
}

async fn find(operation: &Operation<'_>, which: &str) -> Result<ScimToken, ControlError> {
    let (store, now) = (operation.store, operation.clock.now());
    let found = store.open_scim_token(operation.org, which, now).await?;
    found.ok_or(ControlError::NoSuch("directory token"))
}

impl Control {
    /// The directory that a token stands for.
    pub async fn enter_by_directory_token(&self, token: &str) -> Result<(Actor, Source), Entry> {
        let hash = Opaque::DirectoryToken.sha256(token);
        let hash = hex(&hash.ok_or(Entry::UnknownToken)?);
        let store = |error| Entry::Control(ControlError::Store(error));
        let found = self.store.scim_token(self.org, &hash).await;
        let token = found.map_err(store)?.ok_or(Entry::UnknownToken)?;
        let now = self.clock.now();
        let source = &token.source;
        let is_vouched = (self.vouching).for_directory(&source.issuer, source.tenant.as_deref());
        if !token.opens(now) || !is_vouched {
            return Err(Entry::UnknownToken);
        }
        let is_stale = |used: Timestamp| now.ms_since(used) >= limits::TOKEN_USE_NOTED_MS;
        if token.used_at.is_none_or(is_stale) {
            // What is not noted is noted the next time; nobody is kept out for it.
            let noted = self
                .store
                .note_scim_token_use(self.org, token.id, now)
                .await;
            let _unnoted = noted.is_err();
        }
        let issuer = &token.source.issuer;
        let label = format!("directory of {issuer} ({})", token.prefix);
        Ok((Actor::directory(issuer, &label), token.source))
    }
}

fn about(operation: &Operation<'_>, token: &ScimToken, done: ChangeKind) -> Change {
    let name = format!("{} ({})", token.name, token.prefix);
    operation.change("scim_token", &name, done)
}

/// What the token allows, as one text, so that the ledger can tell whether the store's row was altered.
fn rights(token: &ScimToken) -> String {
    let expires = token.expires.map_or_else(String::new, |at| at.to_string());
    let tenant = token.source.tenant.as_deref().unwrap_or_default();
    format!(
        "{}\n{}\n{tenant}\n{expires}",
        token.token_hash, token.source.issuer
    )
}
