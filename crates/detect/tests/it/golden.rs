//! What must be found, and what must not.

use crate::{found, made, scan};

/// Detector ids and templates of what they find; see [`made::fill`].
const SAMPLES: &[(&str, &str)] = &[
    ("secret.anthropic_api_key", "sk-~~ant-api03-{a93}AA"),
    ("secret.anthropic_api_key", "sk-~~ant-admin01-{a93}AA"),
    ("secret.anthropic_session", "sk-~~ant-oat01-{a86}"),
    ("secret.openai_api_key", "sk-~~proj-{a74}T3Blbk~~FJ{a74}"),
    ("secret.openai_legacy_key", "sk-{a20}T3Blbk~~FJ{a20}"),
    ("secret.google_api_key", "AI~~za{a35}"),
    ("secret.huggingface_token", "h~~f_{b34}"),
    ("secret.groq_api_key", "gs~~k_{a52}"),
    ("secret.xai_api_key", "xa~~i-{a80}"),
    ("secret.perplexity_api_key", "ppl~~x-{a48}"),
    ("secret.openrouter_api_key", "sk-~~or-v1-{h64}"),
    ("secret.replicate_token", "r8~~_{a37}"),
    ("secret.nvidia_api_key", "nv~~api-{a64}"),
    ("secret.databricks_token", "da~~pi{h32}"),
    ("secret.aws_access_key_id", "AK~~IA{u16}"),
    (
        "secret.aws_secret_access_key",
        "aws_~~secret_access_key = \"{a40}\"",
    ),
    (
        "secret.aws_secret_access_key",
        "\\\"Secret~~AccessKey\\\": \\\"{a40}\\\"",
    ),
    ("secret.aws_bedrock_key", "AB~~SK{a128}"),
    (
        "secret.azure_storage_key",
        "AccountName=x;Account~~Key={a86}==;EndpointSuffix=y",
    ),
    (
        "secret.azure_shared_access_key",
        "SharedAccessKeyName=Root;SharedAccess~~Key={a43}=",
    ),
    ("secret.azure_ai_key", "{a52}JQQ~~J99{a26}"),
    ("secret.entra_client_secret", "a1_8Q~{a33}"),
    (
        "secret.gcp_service_account",
        "\"private_~~key_id\": \"{h40}\"",
    ),
    ("secret.google_oauth", "GOC~~SPX-{a28}"),
    ("secret.google_oauth", "ya~~29.{a120}"),
    ("secret.digitalocean_token", "dop_~~v1_{h64}"),
    ("secret.github_token", "gh~~p_{a36}"),
    ("secret.github_token", "gh~~s_{a36}"),
    (
        "secret.github_fine_grained_token",
        "github_~~pat_{a22}_{a59}",
    ),
    ("secret.gitlab_token", "glp~~at-{a20}"),
    ("secret.npm_token", "np~~m_{a36}"),
    ("secret.pypi_token", "py~~pi-AgE{a120}"),
    ("secret.slack_token", "xo~~xb-{d12}-{d12}-{a24}"),
    (
        "secret.slack_webhook",
        "https://hooks.slack~~.com/services/T{a8}/B{a8}/{a24}",
    ),
    ("secret.stripe_key", "sk_~~live_{a24}"),
    ("secret.stripe_webhook", "whs~~ec_{a32}"),
    ("secret.sendgrid_key", "S~~G.{a22}.{a43}"),
    ("secret.doorward_service_key", "dw~~k_{a43}"),
    (
        "secret.private_key",
        "-----BEGIN ~~PRIVATE KEY-----\n{a64}\n{a64}\n",
    ),
    (
        "secret.private_key",
        "-----BEGIN ~~RSA PRIVATE KEY-----\n{a64}\n",
    ),
    (
        "secret.private_key",
        "-----BEGIN ~~OPENSSH PRIVATE KEY-----\r\n{a70}\r\n",
    ),
    (
        "secret.private_key",
        "-----BEGIN ~~ENCRYPTED PRIVATE KEY-----\n{a64}\n",
    ),
    (
        "secret.private_key",
        "-----BEGIN ~~PGP PRIVATE KEY BLOCK-----\n\n{a64}\n",
    ),
    ("secret.putty_key", "PuTTY-User-~~Key-File-3: ssh-ed25519\n"),
    ("secret.age_key", "AGE-SECRET-~~KEY-1{z58}"),
    (
        "secret.jwt",
        "eyJ~~hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{a43}",
    ),
    ("payment_card.number", "4539~~578763621486"),
    ("payment_card.number", "4539-5787~~-6362-1486"),
    ("payment_card.number", "4539 5787~~ 6362 1486"),
    ("payment_card.number", "3787 ~~344936 71000"),
];

#[test]
fn every_detector_finds_its_own_and_no_other_does() {
    for (id, template) in SAMPLES {
        let text = made::fill(template);
        for around in [
            text.clone(),
            format!("see {text} here"),
            format!("K=\"{text}\""),
            format!("a\n{text}\nb"),
        ] {
            assert_eq!(found(&around), [*id], "{around}");
        }
    }
}

#[test]
fn every_detector_of_the_pack_has_a_sample_here() {
    for detector in crate::engine().detectors() {
        assert!(
            SAMPLES.iter().any(|(id, _)| *id == detector.id),
            "{}",
            detector.id
        );
    }
}

#[test]
fn a_secret_is_found_inside_json_that_was_written_into_a_string() {
    for before in ["\\n", "\\t", "\\\\n", "%3D", "\\u003d", "\\\""] {
        let text = format!("abc{before}{} and", made::aws());
        assert_eq!(found(&text), ["secret.aws_access_key_id"], "{text}");
    }
    let pem = made::pem("").replace('\n', "\\n");
    assert_eq!(found(&pem), ["secret.private_key"]);
    assert!(scan(&pem).iter().all(|finding| finding.confidence > 90));
}

#[test]
fn disguises_are_seen_through() {
    let wide: String = made::card()
        .chars()
        .map(|c| char::from_u32(c as u32 + 0xfee0).unwrap())
        .collect();
    for (text, id) in [
        (wide, "payment_card.number"),
        (
            made::parted(&made::card(), '\u{200b}'),
            "payment_card.number",
        ),
        (
            "4539\u{a0}5787\u{a0}6362\u{a0}1486".to_owned(),
            "payment_card.number",
        ),
        (
            "4539\u{2013}5787\u{2013}6362\u{2013}1486".to_owned(),
            "payment_card.number",
        ),
        (
            made::parted(&made::anthropic(), '\u{2060}'),
            "secret.anthropic_api_key",
        ),
        (
            made::parted(&made::aws(), '\u{ad}'),
            "secret.aws_access_key_id",
        ),
    ] {
        assert_eq!(found(&text), [id], "{text}");
    }
}

#[test]
fn look_alikes_are_left_alone() {
    let key = made::anthropic();
    for text in [
        // hashes, ids, images
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-4123-8123-123456789012",
        &format!("data:image/png;base64,{}", made::alnum(20_000)),
        &format!("integrity sha512-{}==", made::alnum(86)),
        // long digits that are no cards
        "1732154995123",
        "4539578763621487",
        "1234567890123456",
        "0000000000000000",
        "4444444444444444",
        "3.4539578763621486",
        "x4539578763621486",
        "45395787636214861234567890",
        "2026-11-21 04:25:00.123456789",
        "+1 (555) 123-4567 890",
        // beginnings without a secret
        "set ANTHROPIC_API_KEY=sk-ant-api03-...",
        &format!("sk-ant-api03-{}AA", "x".repeat(93)),
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "prefixes are ghp_, gho_ and github_pat_",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJub3QiOiJhIHRva2VuIn0.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        &key[..60],
    ] {
        assert_eq!(found(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn telling_words_raise_confidence() {
    let confidence = |text: &str| scan(text).iter().next().unwrap().confidence;
    let card = made::card();
    assert_eq!(confidence(&card), 60);
    assert_eq!(confidence(&format!("my Visa card: {card}")), 95);
    assert_eq!(confidence(&format!("visa {} {card}", "x".repeat(400))), 60);
    assert_eq!(
        confidence("4111111111111111"),
        30,
        "a published test number"
    );
    assert_eq!(confidence("card 4111111111111111"), 65);
    assert_eq!(
        confidence("1201 3391 4539 5787 6362 1486 8821 9071"),
        20,
        "a row of a table"
    );
    assert_eq!(confidence(&made::aws()), 70);
    assert_eq!(
        confidence(&format!("{}\n{}", made::aws(), made::alnum(40))),
        95
    );
}

#[test]
fn a_selection_decides_what_counts() {
    let engine = crate::engine();
    let text = format!("{} {} {}", made::anthropic(), made::jwt(), made::card());
    let ids = |rules: &[(&str, u8)]| {
        let mut scanner = engine.scanner(&engine.select(rules.iter().copied()));
        scanner.text(&text);
        scanner
            .finish()
            .iter()
            .map(|finding| finding.detector.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&[("payment_card", 0)]), ["payment_card.number"]);
    assert_eq!(ids(&[("payment_card", 99)]), Vec::<String>::new());
    assert_eq!(ids(&[("secret.*", 95)]), ["secret.anthropic_api_key"]);
    assert_eq!(ids(&[]), Vec::<String>::new());
}

#[test]
fn one_value_has_one_fingerprint_however_it_is_written() {
    let print = |text: &str| scan(text).iter().next().unwrap().fingerprints.clone();
    let plain = print(&made::card());
    assert_eq!(plain, print("card 4539-5787-6362-1486"));
    assert_eq!(plain, print("4539 5787 6362 1486 4539578763621486"));
    assert_ne!(plain, print("3787 344936 71000"));
    let other = detect::Engine::new(b"another key");
    let mut scanner = other.scanner(&other.select([("*", 0)]));
    scanner.text(&made::card());
    assert_ne!(scanner.finish().iter().next().unwrap().fingerprints, plain);
}
