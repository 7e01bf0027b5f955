//! The shapes of connections.

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::schemas::{
    Shape, at_most, between, closed, flag, id, id_or_null, instant, instant_or_null, list, named, object, one_of, page, text,
    text_or_null,
};

/// All of them, by name.
pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let or_null = || ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Object, Type::Null])).into();
    let any = || ObjectBuilder::new().into();
    let short = || {
        vec![
            ("id", id()),
            ("slug", text()),
            ("name", text()),
            ("protocol", one_of(["oidc", "saml"])),
            ("state", one_of(["draft", "enabled", "disabled"])),
            ("issuer", text()),
            ("account", id()),
            ("page", text()),
        ]
    };
    let jit = || one_of(["off", "if-provisioned", "on"]);
    let missing_claim = || one_of(["clear", "keep", "deny"]);
    let certificate = object(&[
        ("id", id()),
        ("subject", text()),
        ("key", text()),
        ("fingerprint", text()),
        ("source", one_of(["metadata", "manual"])),
        ("valid", flag()),
        ("not_before", instant()),
        ("not_after", instant()),
        ("added_at", instant()),
        ("last_used_at", instant_or_null()),
        ("absent_since", instant_or_null()),
    ]);
    let key = object(&[("id", id()), ("signs_from", instant()), ("retired_at", instant_or_null()), ("created_at", instant())]);
    let mut whole = short();
    whole.extend([
        ("jit", jit()),
        ("missing_claim", missing_claim()),
        ("contact", text_or_null()),
        ("settings", any()),
        ("service_provider", any()),
        ("certificates", list(certificate)),
        ("metadata", or_null()),
        ("proposal", or_null()),
        ("keys", list(key)),
        ("missing", list(text())),
    ]);
    vec![
        ("Connection", object(&short())),
        ("Connections", page("Connection")),
        ("ConnectionWithAll", object(&whole)),
        (
            "NewConnection",
            closed(&[
                ("slug", text()),
                ("name", text()),
                ("account?", id_or_null()),
                ("jit?", jit()),
                ("missing_claim?", missing_claim()),
                ("contact?", text_or_null()),
                ("metadata_url?", text_or_null()),
                ("metadata?", text_or_null()),
                ("entity_id?", text_or_null()),
                ("certificates?", at_most(5, text())),
                ("settings?", named("SamlSettings")),
            ]),
        ),
        (
            "ConnectionChange",
            closed(&[
                ("state?", one_of(["enabled", "disabled"])),
                ("name?", text()),
                ("entity_id?", text()),
                ("jit?", jit()),
                ("missing_claim?", missing_claim()),
                ("contact?", text()),
                ("settings?", named("SamlSettings")),
            ]),
        ),
        ("SamlSettings", settings()),
        ("Metadata", closed(&[("url?", text_or_null()), ("xml?", text_or_null())])),
        ("ProposalApproval", closed(&[("proposal", text())])),
        ("NewCertificate", closed(&[("certificate", text())])),
        ("NewConnectionKey", closed(&[("signs_from?", instant_or_null())])),
    ]
}

fn settings() -> Shape {
    let endpoint =
        || closed(&[("binding", one_of(["redirect", "post"])), ("location", text()), ("response_location?", text_or_null())]);
    let claims = || ObjectBuilder::new().additional_properties(Some(text())).into();
    let factor = closed(&[("acr?", list(text())), ("amr?", list(text())), ("ask?", list(text()))]);
    closed(&[
        ("protocol?", one_of(["saml"])),
        ("sso?", list(endpoint())),
        ("slo?", list(endpoint())),
        ("sign_requests?", flag()),
        ("subject?", closed(&[("from", one_of(["name_id", "attribute"])), ("name?", text())])),
        ("preset?", one_of(["generic", "entra", "okta", "google", "adfs", "shibboleth"])),
        ("attributes?", claims()),
        ("name_id_format?", text_or_null()),
        ("authn_context?", list(text())),
        ("second_factor?", factor),
        ("skew_seconds?", between(0, 300, false)),
        ("require_encryption?", flag()),
        ("allow_cbc?", flag()),
        ("idp_initiated?", flag()),
    ])
}
