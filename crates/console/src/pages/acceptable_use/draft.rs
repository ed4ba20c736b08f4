//! Writing the draft: the text and what fills it, and below it what it would be if it were published now. It is in force for nobody and may be
//! unfinished. Who saves second is shown what stands, and keeps what they typed.

use askama::Template;
use axum::extract::Request;
use axum::response::Response;
use control::acceptable_use::draft::{self, Draft, NewDraft, Preview, Tag, preview, save};
use control::{ControlError, Right, diff};
use domain::acceptable_use::Variables;
use domain::acceptable_use::text::VARIABLES;
use domain::limits;
use domain::text::shown_lines;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::parts;
use super::terms::{Changed, Line, Part, changed, lines};
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{Field, Notice};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// The draft, as it was typed.
#[derive(Debug, Clone, Default, Deserialize)]
struct Typed {
    csrf: String,
    tag: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    organisation: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    reach: String,
    #[serde(default)]
    language: String,
    #[serde(default)]
    act: String,
}

impl Typed {
    fn of(draft: &Draft) -> Self {
        let value = |name: &str| draft.values.get(name).cloned().unwrap_or_default();
        Self {
            csrf: String::new(),
            tag: draft.tag.to_string(),
            text: draft.text.clone(),
            organisation: value("organisation"),
            contact: value("contact"),
            reach: value("reach"),
            language: draft.language.clone(),
            act: String::new(),
        }
    }

    /// The values, those kept that this form does not know. An empty one is left to be filled.
    fn values(&self, kept: &Variables) -> Variables {
        let mut values = kept.clone();
        for (name, value) in [
            ("organisation", &self.organisation),
            ("contact", &self.contact),
            ("reach", &self.reach),
        ] {
            if value.trim().is_empty() {
                values.remove(name);
            } else {
                values.insert(name.to_owned(), value.trim().to_owned());
            }
        }
        values
    }

    /// A browser ends lines as a file of Windows does.
    fn plain(&self) -> String {
        self.text.replace("\r\n", "\n")
    }
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct Mistakes {
    text: Option<String>,
    language: Option<String>,
}

#[derive(Template)]
#[template(path = "acceptable_use_draft.html")]
struct Page {
    shell: Shell,
    text: String,
    tag: String,
    wrong: Option<String>,
    fields: Vec<Field>,
    saved: Said,
    /// What stands now, where somebody else was quicker.
    theirs: Vec<Changed>,
    unfinished: Vec<Said>,
    long: Vec<Said>,
    terms: Vec<Line>,
    language: String,
    monitoring: Vec<Said>,
    changes: Vec<Changed>,
}

/// `GET /console/acceptable-use/draft`.
pub async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::AcceptableUseWrite)?;
    let draft = draft::read(&operation, &visitor.console().installation.org_name).await?;
    let told = (asked::given(which.done.as_ref()) == "saved" && draft.saved.is_some()).then(|| {
        Notice::done("The draft is saved. It is in force for nobody until it is published.")
    });
    let typed = Typed::of(&draft);
    page(
        &visitor,
        (typed, &draft),
        Mistakes::default(),
        (StatusCode::OK, told),
    )
    .await
}

async fn page(
    visitor: &Visitor,
    (typed, draft): (Typed, &Draft),
    wrong: Mistakes,
    (status, told): (StatusCode, Option<Notice>),
) -> Result<Response, Wrong> {
    let recorded = &visitor.console().installation.recorded;
    let (text, values) = (typed.plain(), typed.values(&draft.values));
    let seen: Preview = preview(&visitor.operation(), (&text, &values), recorded).await?;
    let theirs = if status == StatusCode::PRECONDITION_FAILED {
        changed(&diff::unified(&draft.text, &text))
    } else {
        Vec::new()
    };
    let page = Page {
        shell: Shell::new(visitor, Place::AcceptableUse, "The draft")
            .within("The draft")
            .telling(told),
        tag: draft.tag.to_string(),
        wrong: wrong.text,
        fields: fields(&typed, wrong.language),
        saved: Said::from(match &draft.saved {
            None => "not saved yet".to_owned(),
            Some((by, at)) => format!(
                "saved by {by}, {} {} UTC",
                show::short_day(*at),
                show::clock(*at)
            ),
        }),
        theirs,
        unfinished: seen
            .mistakes
            .iter()
            .map(|mistake| Said::from(mistake.to_string().replace('`', "")))
            .collect(),
        long: seen.long_sentences.iter().map(Said::from).collect(),
        terms: lines(&seen.text),
        language: draft.language.clone(),
        monitoring: seen
            .monitoring
            .lines()
            .filter(|line| !line.is_empty())
            .map(Said::from)
            .collect(),
        changes: changed(&seen.diff),
        // A browser would show nothing of what commands a screen; a mark says that it was there.
        text: shown_lines(&text).into_owned(),
    };
    Ok(web::page::respond(status, &page, HeaderMap::new()))
}

fn fields(typed: &Typed, language: Option<String>) -> Vec<Field> {
    let field = |name, label: &str, value: &str, hint: &str, wrong| Field {
        name,
        label: label.to_owned(),
        value: value.to_owned(),
        hint: hint.to_owned(),
        wrong,
        is_required: false,
        is_long: false,
        chars_max: limits::ACCEPTABLE_USE_VALUE_CHARS_MAX,
    };
    let what = |name: &str| {
        let known = VARIABLES.iter().find(|(known, _)| *known == name);
        let what = known.map_or("", |(_, what)| *what);
        format!("Stands for {{{{{name}}}}}: {what}.")
    };
    vec![
        field(
            "organisation",
            "Organisation",
            &typed.organisation,
            &what("organisation"),
            None,
        ),
        field("contact", "Contact", &typed.contact, &what("contact"), None),
        field(
            "reach",
            "How to reach them",
            &typed.reach,
            &what("reach"),
            None,
        ),
        field(
            "language",
            "Language",
            &typed.language,
            "Its tag, such as en or de-AT.",
            language,
        ),
    ]
}

/// Saves it, or only looks at what it would be.
async fn save_or_look(visitor: &Visitor, typed: Typed) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let draft = draft::read(&operation, &visitor.console().installation.org_name).await?;
    if typed.act == "look" {
        let told = Notice::info("This is what it would be. It is not saved.");
        let told = (StatusCode::OK, Some(told));
        return page(visitor, (typed, &draft), Mistakes::default(), told).await;
    }
    let expected: Tag = typed.tag.parse().map_err(ControlError::from)?;
    let new = NewDraft {
        text: typed.plain(),
        values: typed.values(&draft.values),
        language: typed.language.trim().to_owned(),
    };
    let unfit = (StatusCode::UNPROCESSABLE_ENTITY, None);
    match save(&operation, expected, new).await {
        Ok(_) => Ok(asked::done("/console/acceptable-use/draft", "saved")),
        Err(ControlError::DraftChanged) => {
            let told = Notice::stop("What you typed is kept below and not saved. Look at what differs; saving now puts yours in the place of theirs.")
                .titled("Somebody else saved or published in between.");
            let told = (StatusCode::PRECONDITION_FAILED, Some(told));
            page(visitor, (typed, &draft), Mistakes::default(), told).await
        }
        Err(ControlError::AcceptableUse(mistakes)) => {
            let text = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>();
            let wrong = Mistakes {
                text: Some(text.join(" ")),
                language: None,
            };
            page(visitor, (typed, &draft), wrong, unfit).await
        }
        Err(error) => match of_field(&error, "language") {
            Some(language) => {
                let wrong = Mistakes {
                    text: None,
                    language: Some(language),
                };
                page(visitor, (typed, &draft), wrong, unfit).await
            }
            None => Err(error.into()),
        },
    }
}

/// `POST /console/acceptable-use/draft`. Larger than other forms, and read only for those who may.
pub async fn post(visitor: Visitor, request: Request) -> Result<Response, Wrong> {
    visitor.operation().require(Right::AcceptableUseWrite)?;
    // A text grows by its escapes on its way here.
    let most = 3 * limits::ACCEPTABLE_USE_BYTES_MAX + limits::SMALL_BODY_BYTES_MAX;
    let (headers, typed) = asked::large::<Typed>(request, most).await?;
    visitor.changing(&headers, &typed.csrf)?;
    save_or_look(&visitor, typed).await
}
