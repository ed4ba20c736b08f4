//! A search by POST (RFC 7644, section 3.4.3): of users, of groups, or of both, users first.

use axum::body::Body;
use axum::response::Response;
use control::scim::{Ask, Listed, Resource, ScimError, groups, users};

use super::Call;
use super::answer::{self, Refused};
use super::ask::{self, Parameters};

/// `POST /Users/.search`
pub async fn users(call: Call, body: Body) -> Result<Response, Refused> {
    let ask = Parameters::in_body(&ask::body(body).await?)?.ask(Resource::User);
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    Ok(answer::list(&ask, &users::list(&directory, &ask).await?))
}

/// `POST /Groups/.search`
pub async fn groups(call: Call, body: Body) -> Result<Response, Refused> {
    let ask = Parameters::in_body(&ask::body(body).await?)?.ask(Resource::Group);
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    Ok(answer::list(&ask, &groups::list(&directory, &ask).await?))
}

/// `POST /.search`. A filter on what only one of the two has finds none of the other.
pub async fn all(call: Call, body: Body) -> Result<Response, Refused> {
    let parameters = Parameters::in_body(&ask::body(body).await?)?;
    let ask = parameters.ask(Resource::User);
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let people = users::list(&directory, &ask).await;
    let after = |found: &Listed| Ask {
        start: ask.start.saturating_sub(found.total).max(1),
        count: ask.count - found.resources.len() as u64,
        ..parameters.ask(Resource::Group)
    };
    let listed = match people {
        Err(unfit @ ScimError::Bad(..)) => {
            let ask = parameters.ask(Resource::Group);
            let found = groups::list(&directory, &ask).await;
            found.map_err(|_| unfit)?
        }
        Err(error) => return Err(error.into()),
        Ok(mut found) => match groups::list(&directory, &after(&found)).await {
            Ok(groups) => {
                found.total += groups.total;
                found.resources.extend(groups.resources);
                found
            }
            Err(ScimError::Bad(..)) => found,
            Err(error) => return Err(error.into()),
        },
    };
    Ok(answer::list(&ask, &listed))
}
