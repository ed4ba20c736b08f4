//! The fifth step: the first rule. Small on purpose: one group, the models that were chosen, a budget for each, and no secrets in prompts.

use std::fmt::Write as _;

use domain::{Policy, limits};

use super::form::{Form, Input};
use super::owner::Owner;
use super::pages::{Frame, Notice, PolicyPage};
use super::write::quoted;

/// What was chosen.
#[derive(Debug)]
pub struct PolicyStep {
    /// The group; empty for everyone.
    pub group: String,
    /// The models.
    pub models: Vec<String>,
    /// US dollars a month for each person; empty for no budget.
    pub budget: String,
    /// Whether secrets are refused.
    pub secrets: bool,
    /// Whether nothing is wrong with it.
    pub is_done: bool,
    is_touched: bool,
    wrong: Vec<(&'static str, &'static str)>,
    notice: Option<Notice>,
}

impl Default for PolicyStep {
    fn default() -> Self {
        Self {
            group: String::new(),
            models: Vec::new(),
            budget: "50.00".to_owned(),
            secrets: true,
            is_done: false,
            is_touched: false,
            wrong: Vec::new(),
            notice: None,
        }
    }
}

impl PolicyStep {
    /// Takes what was chosen among these models.
    pub fn take(&mut self, form: &Form, offered: &[String]) {
        let typed = form.field("other_group");
        let group = if typed.is_empty() {
            form.field("group")
        } else {
            typed
        };
        let models = form.all("model").map(str::to_owned);
        *self = Self {
            group: group.to_owned(),
            models: models.filter(|id| offered.contains(id)).collect(),
            budget: form.field("budget").to_owned(),
            secrets: form.is_on("secrets"),
            is_touched: true,
            ..Self::default()
        };
        if self.group.chars().count() > 256 || self.group.chars().any(domain::text::is_hostile) {
            self.wrong
                .push(("other_group", "needs at most 256 characters on one line"));
        }
        if !self.budget.is_empty() && !is_amount(&self.budget) {
            self.wrong
                .push(("budget", "must be dollars and cents, such as 50.00"));
        }
        if self.models.is_empty() {
            self.wrong.push((
                "model",
                "Choose at least one; without a model nobody can ask anything.",
            ));
        }
        if self.wrong.is_empty()
            && let Err(error) = Policy::parse(0, &self.text())
        {
            let what = format!("The rules cannot be used: {error}");
            self.notice = Some(Notice::new(what, "", "Report this; it is Doorward's own."));
        }
        self.is_done = self.wrong.is_empty() && self.notice.is_none();
    }

    /// The policy as it will be applied.
    pub fn text(&self) -> String {
        let who = match &*self.group {
            "" => String::new(),
            group => format!("who = {{ groups = [{}] }}\n", quoted(group)),
        };
        let models: Vec<String> = self.models.iter().map(|id| quoted(id)).collect();
        let mut text = format!(
            "# The first rules, of the first run. Every kind of rule stands in examples/policy.toml.\n\
             [[grant]]\nname = \"first group\"\n{who}models = [{}]\n",
            models.join(", ")
        );
        if !self.budget.is_empty() {
            let amount = quoted(&self.budget);
            // a String takes whatever is written
            let _ = write!(
                text,
                "\n[[budget]]\nname = \"a person's month\"\n{who}for = \"member\"\namount_usd = {amount}\nperiod = \"monthly\"\n"
            );
        }
        if self.secrets {
            text.push_str(
                "\n[[inspect]]\nname = \"no secrets\"\ndetectors = [\"secret.*\"]\naction = \"block\"\n",
            );
        }
        text
    }

    /// What it does, a sentence each.
    pub fn does(&self, owner: &Owner) -> Vec<String> {
        let shown = |text: &str| domain::text::shown(text).into_owned();
        let whom = match &*self.group {
            "" => "Everybody who can sign in".to_owned(),
            group => format!("Members of {}", shown(group)),
        };
        let mut does = vec![format!(
            "{whom} may use {}; nobody else may use anything.",
            self.models.join(", ")
        )];
        if !self.group.is_empty() && !owner.groups.contains(&self.group) {
            does.push(format!("Mind: {} is not in that group as the token states it, so the first owner may administer and not ask Claude anything.", shown(owner.label())));
        }
        does.push(match &*self.budget {
            "" => "No budget bounds what anybody spends.".to_owned(),
            amount => format!("Each of them may spend US$ {amount} a calendar month; then they are refused until the next."),
        });
        does.push(if self.secrets {
            "A request that holds a password or key is refused, and nothing of it is kept."
                .to_owned()
        } else {
            "Requests are not looked into.".to_owned()
        });
        does.push(format!(
            "{} is the first owner: all rights in the console.",
            shown(owner.label())
        ));
        does
    }

    /// The page.
    pub fn page(&self, frame: Frame, owner: &Owner, offered: &[String]) -> PolicyPage {
        let wrong = |name: &str| {
            let found = self.wrong.iter().find(|(field, _)| *field == name);
            found.map(|(_, what)| *what)
        };
        let first = owner.groups.iter().next();
        // A group is a better beginning than everyone, where there is one.
        let chosen = if self.is_touched {
            self.group.as_str()
        } else {
            first.map_or("", String::as_str)
        };
        let seen = owner.groups.iter().take(limits::SETUP_CHOICES_MAX);
        let mut groups: Vec<_> = seen
            .map(|group| {
                let word = format!("Members of {}", domain::text::shown(group));
                (group.clone(), word, group == chosen)
            })
            .collect();
        groups.push((
            String::new(),
            "Everybody who can sign in".to_owned(),
            chosen.is_empty(),
        ));
        let is_typed = !chosen.is_empty() && !owner.groups.contains(chosen);
        let typed = if is_typed { chosen } else { "" };
        let hint = "As the ID token names it: Entra's is the group's object id. Counts before what is chosen above.";
        PolicyPage {
            frame,
            notice: self.notice.clone(),
            groups,
            inputs: vec![
                Input::text("other_group", "Another group", typed, hint)
                    .wrong(wrong("other_group").map(str::to_owned)),
                Input::text(
                    "budget",
                    "US$ a month for each person",
                    &self.budget,
                    "Empty for no budget. It is a hard one: a call beyond it is refused.",
                )
                .wrong(wrong("budget").map(str::to_owned)),
            ],
            models: offered
                .iter()
                .map(|id| {
                    let is_on = if self.is_touched {
                        self.models.contains(id)
                    } else {
                        is_a_beginning(id)
                    };
                    (id.clone(), is_on)
                })
                .collect(),
            models_wrong: wrong("model"),
            secrets: self.secrets,
        }
    }
}

/// Whether a model is ticked before anybody chose: all but the dearest, which somebody decides for. Opus is among them: stock Claude Code
/// asks for one unless it is told otherwise, and its first answer would be a refusal.
fn is_a_beginning(id: &str) -> bool {
    !["fable", "mythos"].iter().any(|dear| id.contains(dear))
}

fn is_amount(text: &str) -> bool {
    let (dollars, cents) = text.split_once('.').unwrap_or((text, "00"));
    let is_number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_number(dollars, 7) && is_number(cents, 2) && text.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(encoded: &str) -> PolicyStep {
        let mut step = PolicyStep::default();
        step.take(
            &Form::sample(encoded),
            &["claude-a".to_owned(), "claude-b".to_owned()],
        );
        step
    }

    #[test]
    fn what_is_chosen_is_a_policy_that_can_be_used() {
        let step = taken("group=engineering&model=claude-a&model=claude-x&budget=50.00&secrets=1");
        assert!(step.is_done, "{step:?}");
        let policy = Policy::parse(1, &step.text()).unwrap();
        let document = policy.document();
        assert_eq!(document.grant.len(), 1);
        assert_eq!(
            document.grant[0].models.len(),
            1,
            "what nobody offered is left out"
        );
        assert_eq!((document.budget.len(), document.inspect.len()), (1, 1));
        let all = taken("group=&model=claude-a&model=claude-b&budget=");
        assert!(all.is_done && !all.text().contains("who") && !all.text().contains("budget"));
    }

    #[test]
    fn a_group_whose_name_is_toml_stays_a_name() {
        let hostile = "x\"] }\nmodels = [\"*\"]#";
        let one_line = hostile.replace('\n', " ");
        let encoded: String = url::form_urlencoded::byte_serialize(one_line.as_bytes()).collect();
        let step = taken(&format!("other_group={encoded}&model=claude-a&budget="));
        assert!(step.is_done);
        let policy = Policy::parse(1, &step.text()).unwrap();
        let grant = &policy.document().grant[0];
        assert!(grant.who.groups.contains(&one_line), "{grant:?}");
        let encoded: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
        assert!(!taken(&format!("other_group={encoded}&model=claude-a")).is_done);
    }

    #[test]
    fn the_dearest_models_are_not_ticked_before_somebody_does() {
        for (id, expected) in [
            ("claude-sonnet-5-5", true),
            ("claude-haiku-5-5", true),
            ("claude-opus-5-5", true),
            ("claude-fable-5-2", false),
            ("claude-mythos-5-2", false),
            ("our-deployment", true),
        ] {
            assert_eq!(is_a_beginning(id), expected, "{id}");
        }
    }

    #[test]
    fn an_amount_is_dollars_and_cents() {
        for (text, expected) in [
            ("50.00", true),
            ("5", true),
            ("0.00", false),
            ("-1", false),
            ("1e9", false),
            ("1.234", false),
            ("", false),
        ] {
            assert_eq!(is_amount(text), expected, "{text}");
        }
    }

    #[test]
    fn an_owner_outside_the_group_is_told_so() {
        let owner = Owner::sample();
        let said = |encoded| taken(encoded).does(&owner).join(" ");
        assert!(said("group=finance&model=claude-a").contains("Mind: Ada is not in that group"));
        assert!(!said("group=engineering&model=claude-a").contains("Mind"));
    }
}
