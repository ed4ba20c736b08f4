//! One call of the sample data on its way through the stages of the pipeline, as a door would lead it: the rules permit it, its text is
//! inspected, budgets hold money for it, its decision becomes durable, and its outcome follows. Nothing is written here: what is
//! recorded is what the stages decided. Called by its parent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use domain::{Client, ModelId, ReasonCode, RequestId, Timestamp};
use ledger::record::Ended;
use pipeline::charge::Beside;
use pipeline::identity::{NotAdmitted, Verified};
use pipeline::{Call, Charge, End, Facts, Pipeline, Running, Used};
use testkit::FakeClock;

use super::plan::{Comes, Holds, Planned};

/// A call that the stages let through, until its end.
#[derive(Debug)]
pub(super) struct Under {
    running: Running,
    planned: Planned,
}

/// Leads a call to its provider's door; none when it was refused, which is on record then.
pub(super) async fn begin(
    pipeline: &Pipeline,
    clock: &FakeClock,
    (who, client): (Result<Arc<Verified>, NotAdmitted>, Client),
    planned: Planned,
) -> Option<Under> {
    clock.set(planned.at);
    let takes = Duration::from_millis(planned.takes_ms);
    let now = Instant::now();
    let facts = Facts {
        request: RequestId::from_parts(planned.at.unix_ms().unsigned_abs(), planned.bits),
        began: planned.at,
        // so that what it measures is what it would have taken
        arrived: now.checked_sub(takes).unwrap_or(now),
        client,
        address: Some(planned.address),
        action: "messages",
    };
    let body = body_bytes(&planned);
    let received = Call::received(pipeline, facts);
    let mut call = pipeline.identified(received, who).ok()?;
    call.note_body_bytes(body);
    let mut inspection = pipeline.inspection(&call);
    if inspection.is_on() {
        inspection.text(&text(planned.holds));
    }
    let model = ModelId::new(planned.model).ok();
    let call = pipeline.permit(call, model).await.ok()?;
    let call = pipeline.inspect(call, inspection).ok()?;
    let charge = Charge::Tokens {
        body_bytes: body,
        output_tokens: planned.usage.output_tokens * 2,
        terms: planned.usage.terms,
        beside: Beside::default(),
    };
    let call = pipeline.reserve(call, charge).await.ok()?;
    let running = call.into_running();
    Some(Under { running, planned })
}

impl Under {
    /// When it ends.
    pub(super) fn ends(&self) -> Timestamp {
        let takes = i64::try_from(self.planned.takes_ms).unwrap_or_default();
        self.planned.at.plus_ms(takes)
    }

    /// Its answer, and its end.
    pub(super) fn end(mut self) {
        let id = format!("req_sample_{:024x}", self.planned.bits & 0xffff_ffff_ffff);
        let usage = self.planned.usage;
        self.running.leaves();
        let end = match self.planned.comes {
            Comes::Whole => {
                self.running.answered("first", Some(&id), 200);
                End {
                    how: Ended::Complete,
                    used: Used::Counted(usage),
                    code: None,
                }
            }
            Comes::Left => {
                self.running.answered("first", Some(&id), 200);
                End {
                    how: Ended::ClientGone,
                    used: Used::Estimated(usage),
                    code: None,
                }
            }
            Comes::Overloaded => {
                self.running.came_back();
                self.running.answered("second", Some(&id), 529);
                End::unseen(Ended::Error, Some(ReasonCode::UpstreamUnavailable))
            }
        };
        self.running.end(end);
    }
}

/// Bytes of the request: what is read, written to a cache or sent plainly.
fn body_bytes(planned: &Planned) -> usize {
    let tokens = planned.usage.input_in_all();
    usize::try_from(tokens * 16 / 5).unwrap_or(usize::MAX)
}

/// What the prompt says, as far as anybody looks for it. Put together here, so that nothing that scans this program takes it for a
/// real secret.
fn text(holds: Holds) -> String {
    match holds {
        Holds::Nothing => "Please go on.".to_owned(),
        Holds::Secret => {
            let random = "Zx9Kq7Vt2LmP4RwY8NcB6HdJ1FgS3TaU5EoQ".repeat(3);
            [
                "Why is this refused? sk-ant-",
                "api03-",
                &random[..93],
                "AA",
            ]
            .concat()
        }
        Holds::Card => [
            "Paid with card 4111 ",
            "1111 1111 1111, thank you note please",
        ]
        .concat(),
    }
}

/// All of these, side by side and begun in their order; what they give, in their order.
pub(super) async fn together<T>(mut all: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut is_ready = true;
        for (one, slot) in all.iter_mut().zip(&mut done) {
            if slot.is_none() {
                match one.as_mut().poll(context) {
                    Poll::Ready(value) => *slot = Some(value),
                    Poll::Pending => is_ready = false,
                }
            }
        }
        if is_ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_side_by_side_comes_back_in_its_order() {
        let one = |number: u32| -> Pin<Box<dyn Future<Output = u32>>> {
            Box::pin(async move {
                if number.is_multiple_of(2) {
                    tokio::task::yield_now().await;
                }
                number
            })
        };
        assert_eq!(together((0..5).map(one).collect()).await, [0, 1, 2, 3, 4]);
        assert!(
            together(Vec::<Pin<Box<dyn Future<Output = u32>>>>::new())
                .await
                .is_empty()
        );
    }
}
