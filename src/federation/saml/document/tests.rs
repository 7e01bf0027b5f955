use proptest::prelude::*;

use super::*;

fn parse(xml: &str) -> Result<Document<'_>, Refusal> {
    Document::parse(xml.as_bytes(), &MESSAGE)
}

#[test]
fn names_texts_and_attributes_are_what_they_mean() {
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone='yes'?>\r\n<a:r xmlns:a='urn:a' xmlns=\"urn:d\" one = '1 &lt; &#x32;\t&#9;' a:two=\"\u{e9}\">\n  <b>x&amp;y&#13;\r\nz</b><a:b xmlns:a='urn:other'/><c xml:lang='en'>t</c ></a:r>\n";
    let document = parse(xml).unwrap();
    let root = document.root();
    assert!(root.is("urn:a", "r"));
    assert_eq!(root.attribute("one"), Some("1 < 2 \t"));
    assert_eq!(root.attribute("two"), None, "it is of a namespace");
    assert_eq!(root.attributes().map(|(namespace, ..)| namespace).collect::<Vec<_>>(), ["", "urn:a"]);
    let children: Vec<_> = root.children().map(|child| (child.namespace(), child.name(), child.text())).collect();
    assert_eq!(children, [("urn:d", "b", "x&y\r\nz"), ("urn:other", "b", ""), ("urn:d", "c", "t")]);
    assert_eq!(root.only_text(), None);
    assert_eq!(root.only("urn:d", "c").unwrap().parent(), Some(root));
    assert_eq!(document.elements().count(), 4);
    assert_eq!(root.descendants().count(), 3);
}

#[test]
fn the_innermost_declaration_counts_and_ends_with_its_element() {
    let document = parse("<r xmlns='urn:1'><a xmlns='urn:2'><b/></a><c/></r>").unwrap();
    let all: Vec<_> = document.elements().map(|one| (one.name(), one.namespace())).collect();
    assert_eq!(all, [("r", "urn:1"), ("a", "urn:2"), ("b", "urn:2"), ("c", "urn:1")]);
    assert!(parse("<r xmlns:p='urn:1'><a xmlns:p='urn:2'/><p:c/></r>").unwrap().root().only("urn:1", "c").is_some());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_not_of_the_subset_is_refused() {
    let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let wide = |count: usize| format!("<r>{}</r>", "<a/>".repeat(count - 1));
    let attributes = |count: usize| format!("<r {}/>", (0..count).map(|at| format!("a{at}=''")).collect::<Vec<_>>().join(" "));
    let namespaces = |count: usize| {
        let declared =
            |from: usize| (from..from + count / 2).map(|at| format!("xmlns:a{at}='urn:a'")).collect::<Vec<_>>().join(" ");
        format!("<r {}><a {}/></r>", declared(0), declared(count / 2))
    };
    let all_attributes = |count: usize| format!("<r>{}</r>", "<a b='' c='' d='' e=''/>".repeat(count / 4));
    for good in [deep(48), wide(6000), attributes(64), namespaces(64), all_attributes(16_000)] {
        assert!(parse(&good).is_ok(), "{good:.40}");
    }
    let table: Vec<(String, Refusal)> = [
        ("", Refusal::Malformed),
        ("  ", Refusal::Malformed),
        ("text", Refusal::Malformed),
        ("<a>", Refusal::Malformed),
        ("<a></b>", Refusal::Malformed),
        ("<a/><b/>", Refusal::Malformed),
        ("<a/>x", Refusal::Malformed),
        ("x<a/>", Refusal::Malformed),
        ("<a/>&amp;", Refusal::Malformed),
        ("</a>", Refusal::Malformed),
        ("<a", Refusal::Malformed),
        ("<>", Refusal::Malformed),
        ("< a/>", Refusal::Malformed),
        ("<a / >", Refusal::Malformed),
        ("<a:/>", Refusal::Malformed),
        ("<:a/>", Refusal::Malformed),
        ("<a:b:c/>", Refusal::Malformed),
        ("<\u{e4}/>", Refusal::Malformed),
        ("<a b/>", Refusal::Malformed),
        ("<a b=c/>", Refusal::Malformed),
        ("<a b='c'd='e'/>", Refusal::Malformed),
        ("<a b='<'/>", Refusal::Malformed),
        ("<a b='&'/>", Refusal::Malformed),
        ("<a b='&amp'/>", Refusal::Malformed),
        ("<a>&amp</a>", Refusal::Malformed),
        ("<a>&</a>", Refusal::Malformed),
        ("<a>]]></a>", Refusal::Malformed),
        ("<a b='1' b='2'/>", Refusal::DuplicateAttribute),
        ("<a xmlns:p='urn:1' xmlns:q='urn:1' p:b='1' q:b='2'/>", Refusal::DuplicateAttribute),
        ("<a xmlns:p='urn:1' xmlns:p='urn:2'/>", Refusal::DuplicateAttribute),
        ("<p:a/>", Refusal::Namespace),
        ("<a p:b=''/>", Refusal::Namespace),
        ("<a xmlns=''/>", Refusal::Namespace),
        ("<a xmlns:p=''/>", Refusal::Namespace),
        ("<a xmlns='relative'/>", Refusal::Namespace),
        ("<a xmlns='../x'/>", Refusal::Namespace),
        ("<a xmlns='1:x'/>", Refusal::Namespace),
        ("<a xmlns='urn:a b'/>", Refusal::Namespace),
        ("<a xmlns='urn:'/>", Refusal::Namespace),
        ("<a xmlns:xml='urn:x'/>", Refusal::Namespace),
        ("<a xmlns:xmlns='urn:x'/>", Refusal::Namespace),
        ("<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", Refusal::Namespace),
        ("<a xmlns='http://www.w3.org/2000/xmlns/'/>", Refusal::Namespace),
        ("<!DOCTYPE a><a/>", Refusal::Doctype),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", Refusal::Doctype),
        ("<?pi x?><a/>", Refusal::ProcessingInstruction),
        ("<a/><?pi?>", Refusal::ProcessingInstruction),
        ("<a><!-- --></a>", Refusal::Comment),
        ("<a/><!-- -->", Refusal::Comment),
        ("<a><![CDATA[x]]></a>", Refusal::CData),
        ("<a>&e;</a>", Refusal::Entity),
        ("<a b='&e;'/>", Refusal::Entity),
        ("<a>&#0;</a>", Refusal::Entity),
        ("<a>&#8;</a>", Refusal::Entity),
        ("<a>&#xFFFE;</a>", Refusal::Entity),
        ("<a>&#xD800;</a>", Refusal::Entity),
        ("<a>&#x110000;</a>", Refusal::Entity),
        ("<a>&#+65;</a>", Refusal::Entity),
        ("<a>&#X41;</a>", Refusal::Entity),
        ("<a>&#;</a>", Refusal::Entity),
        ("<a>\u{0}</a>", Refusal::Character),
        ("<a>\u{b}</a>", Refusal::Character),
        ("<a>\u{fffe}</a>", Refusal::Character),
        ("<a>\u{ffff}</a>", Refusal::Character),
        ("\u{feff}<a/>", Refusal::Character),
        ("<?xml version='1.1'?><a/>", Refusal::Declaration),
        ("<?xml version='1.0' encoding='UTF-16'?><a/>", Refusal::Declaration),
        ("<?xml version='1.0' encoding='UTF-7'?><a/>", Refusal::Declaration),
        ("<?xml encoding='UTF-8' version='1.0'?><a/>", Refusal::Declaration),
        ("<?xml encoding='UTF-8'?><a/>", Refusal::Declaration),
        ("<?xml version='1.0' version='1.0'?><a/>", Refusal::Declaration),
        ("<?xml version='1.0' other='x'?><a/>", Refusal::Declaration),
        (" <?xml version='1.0'?><a/>", Refusal::Declaration),
        ("<a><?xml version='1.0'?></a>", Refusal::Declaration),
    ]
    .into_iter()
    .map(|(xml, refusal)| (xml.to_owned(), refusal))
    .chain([
        (deep(49), Refusal::TooDeep),
        (wide(6001), Refusal::TooManyElements),
        (attributes(65), Refusal::TooManyAttributes),
        (all_attributes(16_004), Refusal::TooManyAttributes),
        (namespaces(66), Refusal::TooManyNamespaces),
        (format!("<a>{}</a>", " ".repeat(256 * 1024)), Refusal::TooLarge),
    ])
    .collect();
    for (xml, refusal) in table {
        assert_eq!(parse(&xml).map(|_| ()), Err(refusal), "{xml:.80}");
    }
    assert_eq!(Document::parse(b"<a>\xff</a>", &MESSAGE).map(|_| ()), Err(Refusal::NotUtf8));
}

#[test]
fn metadata_may_have_comments_but_none_that_parts_a_text() {
    let parse = |xml: &'static str| Document::parse(xml.as_bytes(), &METADATA);
    assert_eq!(parse("<!-- a --><a> <!-- b --><b>x</b></a><!-- c -->").unwrap().root().children().next().unwrap().text(), "x");
    assert_eq!(parse("<a>x<!-- --></a>").map(|_| ()), Err(Refusal::Comment));
    assert_eq!(parse("<a><!-- -- --></a>").map(|_| ()), Err(Refusal::Malformed));
    assert_eq!(parse("<!DOCTYPE a><a/>").map(|_| ()), Err(Refusal::Doctype));
}

proptest! {
    #[test]
    fn nothing_panics_whatever_comes(text in "[<>&;#/='\" a-z:!?\\[\\]\\-\r\n\u{e9}]{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn what_was_escaped_is_read_back(text in "[^\u{0}-\u{1f}\u{fffe}\u{ffff}]{0,40}") {
        let escaped = quick_xml::escape::escape(&text);
        let xml = format!("<a b=\"{escaped}\">{escaped}</a>");
        let document = parse(&xml).unwrap();
        prop_assert_eq!(document.root().text(), &text);
        prop_assert_eq!(document.root().attribute("b"), Some(text.as_str()));
    }
}
