//! What holds for every page, whatever is on it.

use super::tests::every_page;
use super::{script_url, stylesheet_url};

/// The values of an attribute, wherever it stands.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let before = format!(" {attribute}=\"");
    html.split(before.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_page_has_one_heading_a_title_a_skip_link_and_nothing_inline() {
    for (name, html) in every_page() {
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
        assert!(!html.contains("<title></title>") && !html.contains("<title> ·"), "{name}");
        assert!(html.contains("href=\"#content\"") && html.contains("id=\"content\""), "{name}");
        assert!(html.contains(stylesheet_url()), "{name}");
        for forbidden in ["<style", "style=", " onclick", "javascript:"] {
            assert!(!html.contains(forbidden), "{name} has {forbidden}");
        }
        let script = format!("<script src=\"{}\" defer></script>", script_url());
        assert_eq!(html.matches("<script").count(), usize::from(name.starts_with("post_")), "{name}");
        assert_eq!(html.contains(&script), name.starts_with("post_"), "{name}");
    }
}

#[test]
fn what_names_or_describes_something_is_on_the_page_and_each_id_is_once() {
    for (name, html) in every_page() {
        let ids = values(&html, "id");
        for id in &ids {
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{name}: {id}");
        }
        for attribute in ["aria-describedby", "aria-labelledby", "for"] {
            for id in values(&html, attribute).into_iter().flat_map(str::split_whitespace) {
                assert!(ids.contains(&id), "{name}: nothing is {id}, which {attribute} names");
            }
        }
    }
}

#[test]
fn every_field_has_a_label() {
    for (name, html) in every_page() {
        let labelled = values(&html, "for");
        for tag in ["<input ", "<select ", "<textarea "] {
            for field in html.split(tag).skip(1).filter_map(|rest| rest.split('>').next()) {
                let field = format!(" {field}");
                if !field.contains(" type=\"hidden\"") {
                    assert!(values(&field, "id").iter().any(|id| labelled.contains(id)), "{name}: {field}");
                }
            }
        }
    }
}

#[test]
fn no_two_buttons_of_a_page_of_a_connection_are_called_the_same() {
    let pages: Vec<_> = every_page().into_iter().filter(|(name, _)| name.starts_with("connection")).collect();
    for (name, html) in pages {
        for tag in ["button", "summary"] {
            let end = format!("</{tag}>");
            let begin = format!("<{tag}");
            let mut names: Vec<_> =
                html.split(begin.as_str()).skip(1).filter_map(|rest| rest.split_once('>')?.1.split(end.as_str()).next()).collect();
            // What a certificate is, is told by its fingerprint, each below its own heading.
            names.retain(|text| !text.starts_with("Fingerprint"));
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{name}: {names:?}");
        }
    }
}
