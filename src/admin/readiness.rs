//! Whether this process should get requests, and if not, why.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Ok,
    /// All is well with it, and there is something to know that is nobody's alarm.
    Noted(String),
    /// It works, but somebody should look. Requests are still wanted.
    Degraded(String),
    /// It does not work. Requests should go elsewhere.
    Failed(String),
}

/// The state of all components. Clones share it.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    draining: bool,
    components: BTreeMap<Box<str>, State>,
}

impl Readiness {
    /// Nothing is ready before each of these components has said so.
    pub fn expecting(components: &[&str]) -> Self {
        let starting = |name: &&str| (Box::from(*name), State::Failed("not started".to_owned()));
        Self(Arc::new(Mutex::new(Inner {
            draining: false,
            components: components.iter().map(starting).collect(),
        })))
    }

    /// Sets the state of a component. The reason is seen by whoever may reach the admin listener.
    pub fn set(&self, component: &str, state: State) {
        self.lock().components.insert(component.into(), state);
    }

    /// Forgets a component that is no longer configured.
    pub fn remove(&self, component: &str) {
        self.lock().components.remove(component);
    }

    /// From now on this process is not ready, whatever its components say.
    pub fn drain(&self) {
        self.lock().draining = true;
    }

    /// Whether requests are wanted.
    pub fn is_ready(&self) -> bool {
        let inner = self.lock();
        !inner.draining
            && !inner
                .components
                .values()
                .any(|state| matches!(state, State::Failed(_)))
    }

    /// [`Readiness::is_ready`], and a JSON document that says why.
    pub fn report(&self) -> (bool, String) {
        let inner = self.lock();
        let failed = inner
            .components
            .values()
            .any(|state| matches!(state, State::Failed(_)));
        let degraded = inner
            .components
            .values()
            .any(|state| matches!(state, State::Degraded(_)));
        let ready = !inner.draining && !failed;
        let status = match (ready, degraded) {
            (false, _) => "not ready",
            (true, true) => "degraded",
            (true, false) => "ready",
        };
        let components: serde_json::Map<_, _> = inner
            .components
            .iter()
            .map(|(name, state)| (name.to_string(), describe(state)))
            .collect();
        let report = serde_json::json!({
            "status": status,
            "draining": inner.draining,
            "components": components,
        });
        (ready, format!("{report:#}\n"))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(state: &State) -> serde_json::Value {
    match state {
        State::Ok => serde_json::json!({ "status": "ok" }),
        State::Noted(reason) => serde_json::json!({ "status": "ok", "reason": reason }),
        State::Degraded(reason) => serde_json::json!({ "status": "degraded", "reason": reason }),
        State::Failed(reason) => serde_json::json!({ "status": "failed", "reason": reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(readiness: &Readiness, ready: bool, status: &str) {
        let (found, report) = readiness.report();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(
            (found, report["status"].as_str()),
            (ready, Some(status)),
            "{report}"
        );
        assert_eq!(readiness.is_ready(), ready);
    }

    #[test]
    fn nothing_is_ready_before_every_component_said_so() {
        let readiness = Readiness::expecting(&["policies", "audit"]);
        check(&readiness, false, "not ready");
        readiness.set("policies", State::Ok);
        check(&readiness, false, "not ready");
        readiness.set("audit", State::Ok);
        check(&readiness, true, "ready");
    }

    #[test]
    fn degraded_still_takes_requests_and_failed_does_not() {
        let readiness = Readiness::expecting(&[]);
        check(&readiness, true, "ready");
        readiness.set("policies", State::Degraded("`lake.cedar` cannot be read".into()));
        check(&readiness, true, "degraded");
        readiness.set("audit", State::Failed("disk full".into()));
        check(&readiness, false, "not ready");
        let report: serde_json::Value = serde_json::from_str(&readiness.report().1).unwrap();
        assert_eq!(
            report["components"]["policies"]["reason"],
            "`lake.cedar` cannot be read"
        );
        assert_eq!(report["components"]["audit"]["status"], "failed");
        readiness.remove("audit");
        check(&readiness, true, "degraded");
    }

    #[test]
    fn what_is_merely_noted_is_no_degradation() {
        let readiness = Readiness::expecting(&[]);
        readiness.set("targets", State::Noted("1 of 14 sessions".into()));
        check(&readiness, true, "ready");
        let report: serde_json::Value = serde_json::from_str(&readiness.report().1).unwrap();
        assert_eq!(report["components"]["targets"]["status"], "ok");
        assert_eq!(report["components"]["targets"]["reason"], "1 of 14 sessions");
    }

    #[test]
    fn draining_outweighs_healthy_components() {
        let readiness = Readiness::expecting(&[]);
        readiness.clone().drain();
        readiness.set("policies", State::Ok);
        check(&readiness, false, "not ready");
    }
}
