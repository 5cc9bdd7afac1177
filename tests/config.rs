//! A configuration is either valid as a whole or refused with the place and the reason; it never shows a secret.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use stellar_connector::config::{Config, Environment, LogFormat, example};
use stellar_connector::net::{Endpoint, Roots};
use stellar_connector::signer::{LocalSigner, Signer};
use stellar_connector::stellar::{
    LedgerSeq, PUBLIC_PASSPHRASE, Price, STANDALONE_PASSPHRASE, Stroops, TESTNET_PASSPHRASE,
};

/// A key without value, made from a seed that everyone knows.
fn secret() -> String {
    LocalSigner::from_seed(&[9; 32]).expose_strkey().to_string()
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::of(variables.iter().copied())
}

fn with_secret(variables: &[(&str, &str)]) -> Environment {
    let secret = secret();
    let all: Vec<_> = variables.iter().copied().chain([("STELLAR_SECRET_KEY", secret.as_str())]).collect();
    environment(&all)
}

const GOOD: &str = r#"network = "Standalone Network ; February 2017"
trading_enabled = true
starts_whole_at = 2
[core]
meta_stream = "unix:/run/meta"
http = "http://core:1234"
[reference]
url = "wss://ws.kraken.com/v2"
ca_file = "/etc/exchange.pem"
[execution]
fee_per_operation = 1_000
[[market]]
base = "XLM"
quote = "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"
reference = "XLM/USD"
[market.strategy]
bid_spread_bp = 10
ask_spread_bp = 12.5
order_amount = 200.0000001
order_levels = 2
[market.limits]
max_order_amount = "1000"
max_side_amount = 5000
min_price = 0.01
max_price = "1/3"
[[market]]
base = "EURC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"
quote = "XLM"
reference = "EUR/XLM"
strategy = { bid_spread_bp = 10, ask_spread_bp = 10, order_amount = 5 }
limits = { max_order_amount = 5, max_side_amount = 5 }
"#;

/// The line of [`GOOD`] that begins so, with the text in place of it.
fn changed(begins: &str, text: &str) -> (String, usize) {
    let at = GOOD.lines().position(|line| line.starts_with(begins)).unwrap();
    let lines = GOOD.lines().enumerate().map(|(number, line)| if number == at { text } else { line });
    (lines.collect::<Vec<_>>().join("\n"), at + 1)
}

fn refusal(text: &str, environment: &Environment) -> String {
    Config::parse("connector.toml", text, environment).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_what_is_read() {
    let config = Config::parse("connector.toml", GOOD, &with_secret(&[])).unwrap();
    assert_eq!(config.network_passphrase, STANDALONE_PASSPHRASE);
    assert!(config.trading_enabled);
    assert_eq!(config.starts_whole_at, Some(LedgerSeq(2)));
    assert_eq!(config.core.meta_stream, Some(Endpoint::Unix { path: "/run/meta".into() }));
    assert_eq!(config.core.http.to_string(), "core:1234");
    assert_eq!(config.exchanges[0].roots, Roots::PemFile("/etc/exchange.pem".into()));
    assert_eq!((config.execution.fee_per_operation, config.execution.validity_ledgers), (1_000, 1));
    assert_eq!(config.listen, "127.0.0.1:8000".parse().unwrap());
    assert_eq!(config.signer.public_key(), LocalSigner::from_seed(&[9; 32]).public_key());
    let [first, second] = config.markets.as_slice() else { panic!("two markets: {:?}", config.markets) };
    assert_eq!(first.strategy.order_amount, Stroops(2_000_000_001));
    assert_eq!((first.limits.min_price, first.limits.max_price), (Price::new(1, 100).ok(), Price::new(1, 3).ok()));
    assert_eq!(
        (second.assets.base.code().to_string().as_str(), second.reference.to_string().as_str()),
        ("EURC", "EUR/XLM")
    );
    assert_eq!((second.strategy.order_levels, second.limits.min_price), (1, None));
}

#[test]
fn the_printed_example_is_a_configuration_and_so_is_it_with_every_key() {
    let config = Config::parse("example", &example(), &with_secret(&[])).unwrap();
    assert_eq!(config.network_passphrase, TESTNET_PASSPHRASE);
    assert!(!config.trading_enabled, "whoever copies the example does not trade yet");

    let key = KeyFile::new("example", &secret(), 0o600);
    let uncommented: Vec<String> = example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(off) if off.starts_with("secret_key_file") => format!("secret_key_file = {:?}", key.path),
            Some(off) if off.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => off.to_owned(),
            _ => line.replace("TESTNET", "STANDALONE"),
        })
        .collect();
    assert_ne!(uncommented.join("\n"), example());
    let config = Config::parse("example", &uncommented.join("\n"), &environment(&[])).unwrap();
    assert_eq!(config.starts_whole_at, Some(LedgerSeq(2)));
    assert!(config.markets[0].limits.max_price.is_some());
    assert_eq!(config.rpc.unwrap().endpoints.len(), 2);
    assert_eq!(config.horizon.unwrap().servers.len(), 2);
    assert_eq!(config.exchanges.len(), 2);
}

#[test]
fn a_variable_goes_before_the_file() {
    let config = Config::parse(
        "connector.toml",
        &changed("starts_whole_at", "").0,
        &with_secret(&[
            ("STELLAR_NETWORK", "MAINNET"),
            ("TRADING_ENABLED", "false"),
            ("CORE_META_STREAM", "pipe:/run/stellar-core/meta.pipe"),
            ("CORE_HTTP_URL", "http://stellar-core:11626"),
            ("METRICS_HOST", "0.0.0.0"),
            ("METRICS_PORT", "9000"),
            ("LOG_LEVEL", "WARN"),
            ("LOG_FORMAT", "json"),
            ("PATH", "/bin"),
        ]),
    )
    .unwrap();
    assert_eq!(config.network_passphrase, PUBLIC_PASSPHRASE);
    assert!(!config.trading_enabled);
    assert_eq!(config.core.meta_stream, Some(Endpoint::Pipe { path: "/run/stellar-core/meta.pipe".into() }));
    assert_eq!(config.core.http.to_string(), "stellar-core:11626");
    assert_eq!(config.listen, "0.0.0.0:9000".parse().unwrap());
    assert_eq!((config.log.level, config.log.format), (tracing::Level::WARN, LogFormat::Json));
}

#[test]
fn a_bad_line_is_refused_by_its_number_and_in_words() {
    let usdc = "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";
    let turned = format!("base = \"{usdc}\"");
    for (line, text, words) in [
        ("trading_enabled", "trade_enabled = true", "unknown key trade_enabled: did you mean trading_enabled?"),
        ("meta_stream", "meta_steam = \"unix:/run/meta\"", "did you mean meta_stream?"),
        ("[execution]", "[exection]", "unknown key exection: did you mean execution?"),
        ("order_levels", "max_side_amount = 3", "did you mean max_side_amount? It belongs in [market.limits]"),
        ("network", "network = \"MAINET\"", "'MAINET' is no network: write MAINNET"),
        ("network", "network = 5", "network is a whole number, a string in quotes is wanted"),
        ("network", "network = \"", "is not TOML"),
        ("network", "network = \"MAINNET\"\nnetwork = \"MAINNET\"", "is not TOML: duplicate key"),
        (
            "trading_enabled",
            "trading_enabled = \"yes\"",
            "trading_enabled is a string, true or false without quotes is wanted",
        ),
        ("starts_whole_at", "starts_whole_at = 0", "0 is out of range"),
        ("meta_stream", "meta_stream = \"/run/meta\"", "write pipe:/path, fd:N, unix:/path or tcp://host:port"),
        ("http", "http = \"https://core\"", "write http://host:port"),
        ("url", "url = \"https://ws.kraken.com\"", "is no WebSocket"),
        ("ca_file", "ca_file = 5", "ca_file is a whole number"),
        ("fee_per_operation", "fee_per_operation = 99", "99 is out of range: a whole number from 100 to 10000000"),
        ("fee_per_operation", "fee_per_operation = -100", "out of range"),
        ("fee_per_operation", "fee_per_operation = 0xff", "a number that is not decimal"),
        ("fee_per_operation", "retry_after = \"0s\"", "'0s' is no time"),
        ("fee_per_operation", "answer_timeout = \"2d\"", "'2d' is no time"),
        ("base", "base = \"USDC\"", "'USDC' is not an asset: write XLM, or CODE:ISSUER"),
        ("quote", "quote = \"XLM\"", "XLM is the base as well"),
        ("quote", "quote = \"USDC:GABC\"", "'GABC' is not a Stellar account"),
        ("reference", "reference = \"a\\\"b\"", "is no symbol"),
        ("bid_spread_bp", "bid_spread_bp = 0", "bid_spread_bp: 0 is out of range: more than 0 is wanted"),
        ("bid_spread_bp", "bid_spread_bp = nan", "nan is out of range"),
        ("bid_spread_bp", "bid_spread_bp = 10_000", "less than 10000 is wanted"),
        ("order_amount", "order_amount = 0", "0 is out of range"),
        ("order_amount", "order_amount = 0.00000001", "more than 7 decimals"),
        ("order_amount", "order_amount = 1e3", "is not a decimal number"),
        ("order_levels", "order_levels = 17", "a whole number from 1 to 16"),
        ("order_levels", "kind = \"arbitrage\"", "'arbitrage' is no strategy"),
        ("max_order_amount", "max_order_amount = 199", "the strategy wants to offer 200.0000001"),
        ("max_side_amount", "max_side_amount = 400", "the strategy wants to offer 400.0000002"),
        ("min_price", "min_price = 0", "more than zero is wanted"),
        ("max_price", "max_price = \"1/0\"", "more than zero is wanted"),
        ("max_price", "max_price = \"1/101\"", "max_price: is below min_price"),
        (
            "base = \"EURC",
            turned.as_str(),
            "is named twice (the opposite orientation counts too), first at connector.toml:13",
        ),
    ] {
        let (changed, number) = changed(line, text);
        let number = number + text.lines().count() - 1;
        let refusal = refusal(&changed, &with_secret(&[]));
        assert!(refusal.starts_with(&format!("connector.toml:{number}: ")), "{text}: {refusal}");
        assert!(refusal.contains(words), "{text}: {refusal}");
    }
}

#[test]
fn streams_of_horizon_suit_the_markets_and_what_servers_allow() {
    let with = |lines: &str| GOOD.replace("[execution]", &format!("[horizon]\n{lines}\n[execution]"));
    let pair = "XLM/USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";
    let own = |text: String| text.replace("\"XLM/USD\"", &format!("\"exchange(horizon, {pair})\""));
    let url = "url = \"https://horizon.example.org/\"";
    let good = with(&format!("{url}\nstreams = \"order_book, accounts\"\nrequests_per_hour = 10_000"));
    let config = Config::parse("connector.toml", &own(good), &with_secret(&[])).unwrap();
    let streams = config.horizon.unwrap().streams;
    assert_eq!((streams.order_book, streams.trades, streams.accounts, streams.count(2)), (true, false, true, 3));
    for (text, words) in [
        (with(&format!("{url}\nstreams = \"accounts, offers\"")), "'offers' is no stream: write none, all, or some of"),
        (with(&format!("{url}\nstreams = \"all, accounts\"")), "'all' is no stream"),
        (with(&format!("{url}\nstreams = \"trades\"")), "add order_book"),
        (with(&format!("{url}\nstreams = \"all\"")), "would be counted as 3600 requests an hour"),
        (with("streams = \"accounts\""), "are asked of nobody: name url as well"),
        (own(with(url)), "name it in a [[market]], and order_book among the streams"),
        (own(GOOD.to_owned()), "name it in a [[market]], and order_book among the streams"),
    ] {
        let refusal = refusal(&text, &with_secret(&[]));
        assert!(refusal.contains("streams") && refusal.contains(words), "{refusal}");
    }
}

#[test]
fn what_is_missing_is_named_with_where_it_belongs() {
    for (line, words) in [
        (
            "network",
            "connector.toml: network is missing in the file, before its first section, and the environment has no STELLAR_NETWORK",
        ),
        ("http", "connector.toml:4: http is missing in [core], and the environment has no CORE_HTTP_URL"),
        ("reference", "connector.toml:12: reference is missing in [market]"),
        ("max_side_amount", "connector.toml:21: max_side_amount is missing in [market.limits]"),
    ] {
        let refusal = refusal(&changed(line, "").0, &with_secret(&[]));
        assert!(refusal.starts_with(words), "{refusal}");
    }
    let without_markets = GOOD.split("[[market]]").next().unwrap();
    assert!(refusal(without_markets, &with_secret(&[])).contains("no market is configured"));
    let one_table = format!("{without_markets}[market]\n");
    assert!(refusal(&one_table, &with_secret(&[])).contains("each headed [[market]]"));
}

#[test]
fn a_file_that_is_not_there_or_is_none_is_refused() {
    let refusal = Config::load(Path::new("no/such.toml"), &with_secret(&[])).unwrap_err().to_string();
    assert!(refusal.starts_with("no/such.toml: cannot be read"), "{refusal}");
    assert!(Config::load(&std::env::temp_dir(), &with_secret(&[])).is_err());
}

#[test]
fn a_bad_variable_is_refused_by_its_name() {
    for (name, value, words) in [
        ("STELLAR_NETWORK", "MAINNNET", "is no network"),
        ("STELLAR_NETWORK", "MAINNET", "is for a network of one's own only"),
        ("TRADING_ENABLED", "1", "'1' is neither true nor false"),
        ("CORE_META_STREAM", "", "is no stream"),
        ("METRICS_HOST", "localhost", "write an IP address"),
        ("METRICS_PORT", "65536", "out of range"),
        ("LOG_LEVEL", "LOUD", "'LOUD' is no level"),
        ("LOG_FORMAT", "xml", "'xml' is no format"),
    ] {
        let refusal = refusal(GOOD, &with_secret(&[(name, value)]));
        assert!(refusal.contains(words), "{refusal}");
        assert!(
            words.starts_with("is for") || refusal.starts_with(&format!("environment variable {name}: ")),
            "{refusal}"
        );
    }
    let certificates = refusal(&changed("url", "url = \"ws://a/\"").0, &with_secret(&[]));
    assert!(
        certificates.starts_with("connector.toml:9: ca_file: certificates are for https: and wss:"),
        "{certificates}"
    );
}

/// A file that is removed with the test.
struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    fn new(name: &str, content: &str, mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("connector-key-{name}-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Self { path }
    }

    fn read_by(&self, how: &[(&str, &str)]) -> Result<Config, String> {
        let path = self.path.to_str().unwrap();
        let variables: Vec<_> = how.iter().copied().chain([("STELLAR_SECRET_KEY_FILE", path)]).collect();
        Config::parse("connector.toml", GOOD, &environment(&variables)).map_err(|error| error.to_string())
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn the_key_is_given_in_exactly_one_way() {
    let file = KeyFile::new("one-way", &format!("{}\n", secret()), 0o600);
    assert!(file.read_by(&[]).is_ok());
    let both = file.read_by(&[("STELLAR_SECRET_KEY", &secret())]).unwrap_err();
    assert!(both.contains("environment variable STELLAR_SECRET_KEY_FILE as well: keep one"), "{both}");
    let (text, number) = changed("[execution]", &format!("[account]\nsecret_key_file = {:?}\n[execution]", file.path));
    assert!(Config::parse("connector.toml", &text, &environment(&[])).is_ok());
    let twice = refusal(&text, &with_secret(&[]));
    assert!(twice.contains(&format!("connector.toml:{} as well", number + 1)), "{twice}");
    let none = refusal(GOOD, &environment(&[]));
    assert!(none.contains("the environment has no STELLAR_SECRET_KEY_FILE or STELLAR_SECRET_KEY"), "{none}");
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    for (mode, who) in [(0o640, "its group"), (0o604, "everyone"), (0o644, "everyone")] {
        let file = KeyFile::new(&format!("mode-{mode:o}"), &secret(), mode);
        let refusal = file.read_by(&[]).unwrap_err();
        assert!(refusal.contains(&format!("can be read by {who}")) && refusal.contains("chmod 600"), "{refusal}");
    }
}

#[test]
fn a_key_that_is_mounted_for_our_group_is_read() {
    let file = KeyFile::new("mounted", &secret(), 0o440);
    // Only root may give a file away; elsewhere the rule is tested where it is written.
    if std::os::unix::fs::chown(&file.path, Some(12_345), None).is_err() {
        eprintln!("skipped: not root");
        return;
    }
    assert!(file.read_by(&[]).is_ok());
}

#[test]
fn no_error_and_no_debug_output_shows_a_secret() {
    let secret = secret();
    let config = Config::parse("connector.toml", GOOD, &with_secret(&[])).unwrap();
    assert!(!format!("{config:?} {:?}", with_secret(&[])).contains(&secret));

    let almost = &secret[..55];
    let wrong_file = KeyFile::new("wrong", &format!("{almost}A"), 0o600);
    let pasted = |line: &str, text: &str| refusal(&changed(line, text).0, &with_secret(&[]));
    for refusal in [
        refusal(GOOD, &environment(&[("STELLAR_SECRET_KEY", almost)])),
        refusal(GOOD, &environment(&[("STELLAR_SECRET_KEY_FILE", &secret)])),
        wrong_file.read_by(&[]).unwrap_err(),
        pasted("network", &format!("network = \"{secret}\"")),
        pasted("network", &format!("network = \"my {secret}\"")),
        pasted("network", &format!("network = {secret}")),
        pasted("network", &format!("{secret} = 1")),
        pasted("http", &format!("http = \"{secret}\"")),
        pasted("fee_per_operation", &format!("secret_key = \"{secret}\"")),
        pasted("base", &format!("base = \"USDC:{secret}\"")),
        pasted("order_amount", &format!("order_amount = \"{secret}\"")),
    ] {
        assert!(!refusal.contains(&secret[..40]), "{}", refusal.replace(&secret[..50], "[secret]"));
    }
}

fn file_of_the_crate(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// What the production manifests give the process, as the container sees it: the base's ConfigMap, and the overlay's
/// variables over it.
fn production() -> Vec<(String, String)> {
    let base = file_of_the_crate("k8s/base/configmap.yaml");
    let base = base.split("\ndata:\n").nth(1).unwrap().lines().filter_map(|line| line.trim().split_once(": "));
    let overlay = file_of_the_crate("k8s/overlays/production/production.env");
    let overlay = overlay.lines().filter_map(|line| line.split_once('='));
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.trim_matches('"').to_owned());
    let mut variables: Vec<_> = base.map(owned).collect();
    for variable in overlay.map(owned) {
        variables.retain(|(name, _)| *name != variable.0);
        variables.push(variable);
    }
    variables
}

#[test]
fn the_production_manifests_hold_a_configuration_and_every_variable_of_theirs_does_something() {
    let file = file_of_the_crate("k8s/overlays/production/connector.toml");
    let variables = production();
    let pairs: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let config = Config::parse("connector.toml", &file, &with_secret(&pairs)).unwrap();
    assert_eq!(config.network_passphrase, PUBLIC_PASSPHRASE);
    assert!(config.trading_enabled);
    assert_eq!(config.listen, "0.0.0.0:8000".parse().unwrap());
    assert_eq!((config.log.level, config.log.format), (tracing::Level::WARN, LogFormat::Json));
    for (name, _) in &pairs {
        let spoiled: Vec<_> =
            pairs.iter().map(|&(other, value)| (other, if other == *name { "?" } else { value })).collect();
        let refusal = Config::parse("connector.toml", &file, &with_secret(&spoiled)).unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("environment variable {name}: ")), "{name} does nothing: {refusal}");
    }
}

#[test]
fn the_variables_that_the_manifests_tests_allow_are_those_that_there_are() {
    let promises = file_of_the_crate("tests/deployment/promises.py");
    let settings = promises.split("SETTINGS = {").nth(1).unwrap().split('}').next().unwrap();
    let settings: Vec<_> = settings.split('"').skip(1).step_by(2).collect();
    assert!(settings.len() > 5, "{settings:?}");
    let example = example();
    for name in settings {
        assert!(example.contains(name), "{name} sets nothing");
    }
}

#[test]
fn a_price_names_what_is_configured() {
    let with = |price: &str| changed("reference = \"XLM/USD\"", &format!("reference = {price:?}")).0;
    let usdc = "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";
    let good = format!("max(XLM/USD, sdex(XLM, {usdc}, vwap=100), 0.1)");
    let config = Config::parse("connector.toml", &with(&good), &with_secret(&[])).unwrap();
    assert_eq!(config.markets[0].reference.to_string(), good);
    for (price, why) in [
        ("exchange(binance, XLMUSDT)", "the exchange binance, which is not configured: name it in an [[exchange]]"),
        (&format!("sdex({usdc}, XLM)"), "which is not configured as written"),
        ("max(XLM/USD", "ends where a comma"),
    ] {
        let (text, line) = changed("reference = \"XLM/USD\"", &format!("reference = {price:?}"));
        let said = refusal(&text, &with_secret(&[]));
        assert!(said.contains(why) && said.contains(&format!(":{line}")), "{said}");
    }
    let none = GOOD.replace("[reference]\nurl = \"wss://ws.kraken.com/v2\"\nca_file = \"/etc/exchange.pem\"\n", "");
    let said = refusal(&none, &with_secret(&[]));
    assert!(said.contains("name url in [reference]"), "{said}");
}

#[test]
fn exchanges_are_of_kinds_that_are_known_and_have_what_they_need() {
    let with = |exchange: &str| format!("{GOOD}[[exchange]]\n{exchange}\n");
    let good = with(
        "name = \"gecko\"\nkind = \"coingecko\"\nurl = \"https://api.coingecko.com/api/v3\"\nevery = \"30s\"\nstale_after = \"3m\"\n\
         [[exchange]]\nname = \"depth\"\nkind = \"binance_depth\"\nurl = \"wss://stream.binance.com:9443/stream\"\n\
         rest_url = \"https://api.binance.com\"\n",
    );
    let config = Config::parse("connector.toml", &good, &with_secret(&[])).unwrap();
    let names: Vec<_> = config.exchanges.iter().map(|exchange| exchange.name.as_str()).collect();
    assert_eq!(names, ["reference", "gecko", "depth"]);
    for (exchange, why) in [
        ("name = \"a\"\nkind = \"mtgox\"\nurl = \"wss://a/\"", "'mtgox' is no exchange that is known"),
        ("name = \"a\"\nkind = \"kraken\"\nurl = \"https://a/\"", "'https://a/' is no WebSocket"),
        ("name = \"a\"\nkind = \"coingecko\"\nurl = \"wss://a/\"", "'wss://a/' is no web address"),
        ("name = \"a\"\nkind = \"binance_depth\"\nurl = \"wss://a/\"", "this says where the snapshot is"),
        ("name = \"reference\"\nkind = \"kraken\"\nurl = \"wss://a/\"", "choose another name"),
        ("name = \"a b\"\nkind = \"kraken\"\nurl = \"wss://a/\"", "'a b' is no name"),
        (
            "name = \"a\"\nkind = \"kraken\"\nurl = \"ws://a/\"\nca_file = \"/a.pem\"",
            "certificates are for https: and wss:",
        ),
    ] {
        let said = refusal(&with(exchange), &with_secret(&[]));
        assert!(said.contains(why), "{exchange}: {said}");
    }
}
