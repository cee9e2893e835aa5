//! The three pages of the development provider.

use super::SampleIdentity;
use super::authorization::Parameters;
use std::collections::BTreeMap;

/// Asks who it is, and posts the choice with everything that was asked to `action`.
pub(super) fn choose(action: &str, asked: &Parameters) -> String {
    let mut fields = String::new();
    // In an order, so that the page is the same for the same question.
    for (name, value) in asked.iter().collect::<BTreeMap<_, _>>() {
        if name != "identity" && (action != "/device" || name != "user_code") {
            fields.push_str(&format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                escaped(name),
                escaped(value)
            ));
        }
    }
    if action == "/device" {
        let code = asked.get("user_code").map(String::as_str).unwrap_or_default();
        fields.push_str(&format!(
            "<p><label>The code that the program shows: <input name=\"user_code\" value=\"{}\" required \
             autocomplete=\"off\"></label></p>",
            escaped(code)
        ));
    }
    let mut choices = String::new();
    for identity in SampleIdentity::ALL {
        choices.push_str(&format!(
            "<p><button name=\"identity\" value=\"{0}\">{0}</button> {1}</p>",
            identity.subject,
            escaped(identity.about)
        ));
    }
    page(
        "Who are you?",
        &format!("<form method=\"post\" action=\"{action}\">{fields}{choices}</form>"),
    )
}

/// Somebody was let in elsewhere.
pub(super) fn done(subject: &str) -> String {
    page(
        "Done",
        &format!(
            "<p>The program goes on as <b>{}</b>. This page can be closed.</p>",
            escaped(subject)
        ),
    )
}

/// It does not go on.
pub(super) fn failure(why: &str) -> String {
    page("That does not work", &format!("<p>{}.</p>", escaped(why)))
}

fn page(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <body style=\"font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem\">\
         <h1>{title}</h1>{content}<p><small>The identity provider of <code>tidegate dev</code>: it asks for no \
         password and answers on this machine only.</small></p></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_comes_back_as_text() {
        let asked = Parameters::from([("state".into(), "\"><script>".into())]);
        let page = choose("/authorize", &asked);
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("&quot;&gt;&lt;script&gt;"));
        assert!(
            SampleIdentity::ALL
                .iter()
                .all(|identity| page.contains(identity.subject))
        );
    }
}
