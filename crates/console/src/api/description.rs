//! `/openapi.json`: what the handlers say of themselves, and what is true of all of them. `docs/openapi.json` is a copy that a test
//! holds to it, so that a change of the API is seen in review.

use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, OpenApi, PathItem, Ref, Required, ResponseBuilder, Type,
};

use crate::Problem;
use crate::problem::{BadRowView, BadRows, Conflict};

#[derive(Debug, utoipa::OpenApi)]
#[openapi(
    info(
        title = "Doorward admin API",
        version = "1",
        description = "Who may use Claude, by which rules, and what was done. Every operation needs a bearer: a session token, a token of the company's identity provider, or a personal access token (`dwp_...`). Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem, Conflict, BadRows, BadRowView)),
    security(("bearer" = []))
)]
struct About;

/// The description's frame.
pub fn about() -> OpenApi {
    About::openapi()
}

/// Adds what is true of every operation: how to prove oneself, how an error looks, and how to send a POST twice.
pub fn completed(mut document: OpenApi) -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    for item in document.paths.paths.values_mut() {
        if let Some(post) = item.post.as_mut() {
            post.parameters
                .get_or_insert_default()
                .push(idempotency_key().into());
        }
        for operation in operations(item) {
            let problem = Ref::from_schema_name("Problem");
            let content = ContentBuilder::new().schema(Some(problem)).build();
            let response = ResponseBuilder::new()
                .description("Why it was not done")
                .content("application/problem+json", content)
                .build();
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_owned(), response.into());
        }
    }
    document
}

fn idempotency_key() -> utoipa::openapi::path::Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(domain::limits::IDEMPOTENCY_KEY_CHARS_MAX))
        .build();
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A text of your own: within a day, the same request with the same key is done once",
        ))
        .schema(Some(schema))
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        item.get.as_mut(),
        item.put.as_mut(),
        item.post.as_mut(),
        item.delete.as_mut(),
    ]
    .into_iter()
    .flatten()
}
