//! Personal access tokens, `dwp_…`: a person makes one for a script of theirs and it acts for them at the admin API, with no more
//! than they have at that moment and no more than its scopes say. The token itself is returned once and kept nowhere.

use std::collections::BTreeSet;

use domain::opaque::hex;
use domain::window::DAY_MS;
use domain::{Opaque, PersonId, TokenId, limits};
use ledger::record::ChangeKind;
use secrecy::SecretString;
pub use store::PersonalToken;

use crate::access::{Right, Who, may_be_scope};
use crate::text::{self, Unusable};
use crate::{ControlError, Operation, fingerprint};

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// What it may.
    pub scopes: BTreeSet<Right>,
    /// After how many days it ends, from 1 to [`limits::PERSONAL_TOKEN_DAYS_MAX`].
    pub days: u32,
}

/// Makes a token for who acts. It opens as soon as this returns, on every replica.
pub async fn create(
    operation: &Operation<'_>,
    new: NewToken,
) -> Result<(PersonalToken, SecretString), ControlError> {
    operation.require(Right::OwnWrite)?;
    let Who::Person(person) = *operation.actor.who() else {
        return Err(ControlError::Forbidden(Right::OwnWrite));
    };
    let name = text::name("name", &new.name)?;
    check_scopes(operation, &new.scopes)?;
    check_days(new.days)?;
    let secret = Opaque::PersonalToken.mint(operation.ids);
    let (unix_ms, random) = operation.id_parts();
    let created = operation.clock.now();
    let scopes = new.scopes.iter().map(|scope| scope.as_str().to_owned());
    let token = PersonalToken {
        id: TokenId::from_parts(unix_ms, random),
        person,
        hash: hex(&Opaque::PersonalToken.sha256_of(&secret)),
        prefix: Opaque::PersonalToken.shown_of(&secret),
        name,
        scopes: scopes.collect(),
        created,
        expires: created.plus_ms(i64::from(new.days) * DAY_MS),
        last_used: None,
        revoked_at: None,
    };
    let mut change = about(operation, &token, ChangeKind::Created);
    change.after = Some(fingerprint(&rights(&token)).as_str().into());
    let adding = operation.store.add_personal_token(operation.org, &token);
    if !operation.make(change, adding).await? {
        let why = "its owner was shut out or signed out in between";
        operation
            .record_not_made("personal_token", &named(&token), why)
            .await?;
        return Err(ControlError::Forbidden(Right::OwnWrite));
    }
    Ok((token, secret))
}

/// The rights that these words name, for a token of who acts. Every word that cannot be given is named at once, with why.
pub fn scopes(
    operation: &Operation<'_>,
    words: &[String],
) -> Result<BTreeSet<Right>, ControlError> {
    operation.require(Right::OwnWrite)?;
    let (mut given, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for word in words {
        match word.parse::<Right>() {
            Ok(right) => _ = given.insert(right),
            Err(_) => _ = unknown.insert(text::shown(word)),
        }
    }
    let of = |is_one: &dyn Fn(Right) -> bool| -> Vec<&'static str> {
        let rights = given.iter().copied().filter(|right| is_one(*right));
        rights.map(Right::as_str).collect()
    };
    let unknown: Vec<&str> = unknown.iter().map(|word| &**word).take(20).collect();
    let why: Vec<String> = [
        ("no such right", unknown),
        ("given to no token", of(&|right| !may_be_scope(right))),
        (
            "beyond your own rights",
            of(&|right| may_be_scope(right) && !operation.actor.may(right)),
        ),
    ]
    .into_iter()
    .filter(|(_, words)| !words.is_empty())
    .map(|(what, words)| format!("{what}: {}", words.join(", ")))
    .collect();
    if why.is_empty() {
        return Ok(given);
    }
    let why = format!("cannot all be given; {}", why.join("; "));
    Err(Unusable::new("scopes", why).into())
}

/// Everything that is wrong with a token to make, in the order of a form: what is not a field of it, what makes it is to say.
pub fn mistakes(operation: &Operation<'_>, new: &NewToken) -> Vec<ControlError> {
    let name = text::name("name", &new.name).map(|_| ());
    let all = [
        name.map_err(ControlError::from),
        check_days(new.days),
        check_scopes(operation, &new.scopes),
    ];
    all.into_iter().filter_map(Result::err).collect()
}

fn check_days(days: u32) -> Result<(), ControlError> {
    if (1..=limits::PERSONAL_TOKEN_DAYS_MAX).contains(&days) {
        return Ok(());
    }
    let why = format!("must be 1 to {}", limits::PERSONAL_TOKEN_DAYS_MAX);
    Err(Unusable::new("expires_in_days", why).into())
}

fn check_scopes(operation: &Operation<'_>, scopes: &BTreeSet<Right>) -> Result<(), ControlError> {
    if scopes.is_empty() {
        return Err(Unusable::new("scopes", "must name at least one right").into());
    }
    for scope in scopes {
        if !may_be_scope(*scope) {
            let why = format!("cannot be given to a token: {scope}");
            return Err(Unusable::new("scopes", why).into());
        }
        // A right that its maker lacks would look given and be nothing, until the maker got it.
        operation.require(*scope)?;
    }
    Ok(())
}

/// One's own tokens after one of them, and whether there are more.
pub async fn list_own(
    operation: &Operation<'_>,
    after: Option<TokenId>,
    limit: u32,
) -> Result<(Vec<PersonalToken>, bool), ControlError> {
    operation.require(Right::OwnRead)?;
    let person = operation.actor.person_id();
    let person = person.ok_or(ControlError::Forbidden(Right::OwnRead))?;
    page(operation, Some(person), after, limit).await
}

/// Everyone's tokens, or one person's, after one of them, and whether there are more.
pub async fn list(
    operation: &Operation<'_>,
    person: Option<PersonId>,
    after: Option<TokenId>,
    limit: u32,
) -> Result<(Vec<PersonalToken>, bool), ControlError> {
    operation.require(Right::TokensRead)?;
    page(operation, person, after, limit).await
}

async fn page(
    operation: &Operation<'_>,
    person: Option<PersonId>,
    after: Option<TokenId>,
    limit: u32,
) -> Result<(Vec<PersonalToken>, bool), ControlError> {
    let store = operation.store;
    Ok(store
        .personal_tokens_page(operation.org, person, after, limit)
        .await?)
}

/// Takes a token of one's own away: with the next request it opens nothing. Somebody else's is not there.
pub async fn revoke_own(
    operation: &Operation<'_>,
    token: TokenId,
) -> Result<PersonalToken, ControlError> {
    operation.require(Right::OwnWrite)?;
    let found = find(operation, token).await?;
    if Some(found.person) != operation.actor.person_id() {
        return Err(ControlError::NoSuch("token"));
    }
    take_away(operation, found, "taken away by its owner").await
}

/// Takes anyone's token away.
pub async fn revoke(
    operation: &Operation<'_>,
    token: TokenId,
    reason: &str,
) -> Result<PersonalToken, ControlError> {
    operation.require(Right::TokensWrite)?;
    let reason = text::reason("reason", reason)?;
    let found = find(operation, token).await?;
    take_away(operation, found, &reason).await
}

/// The token of this id, whoever's it is.
pub async fn one(operation: &Operation<'_>, token: TokenId) -> Result<PersonalToken, ControlError> {
    operation.require(Right::TokensRead)?;
    find(operation, token).await
}

/// The token of this id, if it is one's own.
pub async fn own(operation: &Operation<'_>, token: TokenId) -> Result<PersonalToken, ControlError> {
    operation.require(Right::OwnRead)?;
    let found = find(operation, token).await?;
    if Some(found.person) != operation.actor.person_id() {
        return Err(ControlError::NoSuch("token"));
    }
    Ok(found)
}

async fn find(operation: &Operation<'_>, token: TokenId) -> Result<PersonalToken, ControlError> {
    let found = operation.store.personal_token(operation.org, token).await?;
    found.ok_or(ControlError::NoSuch("token"))
}

async fn take_away(
    operation: &Operation<'_>,
    token: PersonalToken,
    reason: &str,
) -> Result<PersonalToken, ControlError> {
    if token.revoked_at.is_some() {
        return Ok(token);
    }
    let now = operation.clock.now();
    let mut change = about(operation, &token, ChangeKind::Deleted);
    change.before = Some(fingerprint(&rights(&token)).as_str().into());
    change.reason = Some(reason.into());
    operation.record(change).await?;
    operation
        .store
        .revoke_personal_token(operation.org, token.id, now)
        .await?;
    Ok(PersonalToken {
        revoked_at: Some(now),
        ..token
    })
}

/// `nightly report (dwp_3Fq9xLm2) of per_…`: which token, and whose.
fn about(
    operation: &Operation<'_>,
    token: &PersonalToken,
    done: ChangeKind,
) -> ledger::record::Change {
    operation.change("personal_token", &named(token), done)
}

fn named(token: &PersonalToken) -> String {
    format!("{} ({}) of {}", token.name, token.prefix, token.person)
}

/// What the token allows, as one text, so that the ledger can tell whether the store's row was altered.
fn rights(token: &PersonalToken) -> String {
    format!(
        "{}\n{}\n{}\n{}",
        token.hash,
        token.person,
        token.scopes.join("\n"),
        token.expires
    )
}
