//! Everything at once, and none of it for ever.
//!
//! Half of what is asked may be down, and that is when somebody calls the doctor. So each examination runs for itself under
//! a deadline, and one that hangs or breaks is a finding in its own place of the report.

use super::{Line, Outcome, Side};
use crate::clock::Drift;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::{Id, JoinSet};

/// What one examination found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) lines: Vec<Line>,
    /// Clocks of others, by their name in the report.
    pub(super) clocks: Vec<(String, Drift)>,
}

impl Seen {
    pub(super) fn of(lines: Vec<Line>) -> Self {
        Self {
            lines,
            clocks: Vec::new(),
        }
    }
}

/// Examinations that are under way, and the places of their findings.
#[derive(Default)]
pub(super) struct Ward {
    tasks: JoinSet<Seen>,
    places: BTreeMap<Id, (usize, &'static str, String)>,
}

impl Ward {
    /// Begins one. Its findings are shown in the order in which examinations are begun.
    pub(super) fn admit(
        &mut self,
        (check, about): (&'static str, impl Into<String>),
        limit: Duration,
        examination: impl Future<Output = Seen> + Send + 'static,
    ) {
        let about = about.into();
        let place = (self.places.len(), check, about.clone());
        let task = self.tasks.spawn(async move {
            match tokio::time::timeout(limit, examination).await {
                Ok(seen) => seen,
                Err(_) => Seen::of(vec![unfinished(check, about, limit)]),
            }
        });
        self.places.insert(task.id(), place);
    }

    /// Waits for all of them.
    pub(super) async fn discharge(mut self) -> Seen {
        let mut found: BTreeMap<usize, Seen> = BTreeMap::new();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let (id, seen) = match ended {
                Ok((id, seen)) => (id, Some(seen)),
                Err(broken) => (broken.id(), None),
            };
            let Some((place, check, about)) = self.places.remove(&id) else {
                continue;
            };
            found.insert(
                place,
                seen.unwrap_or_else(|| Seen::of(vec![broken(check, about)])),
            );
        }
        let mut all = Seen::default();
        for seen in found.into_values() {
            all.lines.extend(seen.lines);
            all.clocks.extend(seen.clocks);
        }
        all
    }
}

fn unfinished(check: &'static str, about: String, limit: Duration) -> Line {
    Line {
        outcome: Outcome::Fail,
        check,
        about,
        said: format!("no outcome within {limit:?}"),
        side: None,
        remedy: None,
    }
}

fn broken(check: &'static str, about: String) -> Line {
    let said = "the examination itself broke off, which is a defect of this program";
    Line::fail(check, about, said, Side::Tidegate, "")
}
