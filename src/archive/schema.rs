//! How a data lake is laid out (SEP-54): its `.config.json`, and the names of its objects.

use super::failure::ArchiveError;
use serde::Deserialize;

/// Where the layout is described.
pub(super) const CONFIG: &str = ".config.json";
/// How an object's name ends; older lakes spell it out.
pub(super) const EXTENSIONS: [&str; 2] = [".xdr.zst", ".xdr.zstd"];
/// The most ledgers of a partition or a batch that make sense.
const MOST_LEDGERS: u32 = 1 << 24;

/// A lake's layout.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// Passphrase of the network whose ledgers these are.
    #[serde(default)]
    pub network_passphrase: String,
    /// How objects are compressed: zstd is what there is.
    pub compression: String,
    /// Ledgers of an object.
    pub ledgers_per_batch: u32,
    /// Objects of a folder.
    pub batches_per_partition: u32,
}

impl Schema {
    /// Reads `.config.json`, which lies at `place`.
    pub(super) fn read(place: &str, json: &[u8]) -> Result<Self, ArchiveError> {
        let refuse = |why: String| ArchiveError::damaged(place, format!("no layout of a data lake (SEP-54): {why}"));
        let schema: Self = serde_json::from_slice(json).map_err(|error| refuse(error.to_string()))?;
        if schema.compression != "zstd" {
            return Err(refuse(format!("compression '{}' is not known, only zstd is", schema.compression)));
        }
        let partition = schema.ledgers_per_batch.checked_mul(schema.batches_per_partition);
        if !partition.is_some_and(|ledgers| (1..=MOST_LEDGERS).contains(&ledgers)) {
            let (ledgers, batches) = (schema.ledgers_per_batch, schema.batches_per_partition);
            return Err(refuse(format!(
                "{ledgers} ledgersPerBatch and {batches} batchesPerPartition make no partition of 1 to {MOST_LEDGERS} \
                 ledgers"
            )));
        }
        Ok(schema)
    }

    /// The first and the last ledger of the object that has this ledger.
    #[must_use]
    pub fn batch_of(&self, ledger: u32) -> (u32, u32) {
        span(ledger, self.ledgers_per_batch)
    }

    /// The name of the object that has this ledger, without its extension: it is counted down from the greatest number,
    /// so that a listing begins with the newest.
    #[must_use]
    pub fn object_of(&self, ledger: u32) -> String {
        let (first, last) = self.batch_of(ledger);
        let object = match first == last {
            true => format!("{:08X}--{first}", u32::MAX - first),
            false => format!("{:08X}--{first}-{last}", u32::MAX - first),
        };
        if self.batches_per_partition == 1 {
            return object;
        }
        let (first, last) = span(ledger, self.ledgers_per_batch * self.batches_per_partition);
        format!("{:08X}--{first}-{last}/{object}", u32::MAX - first)
    }
}

fn span(ledger: u32, length: u32) -> (u32, u32) {
    let first = ledger - ledger % length;
    (first, first.saturating_add(length - 1))
}

/// The first and the last ledger that the name of an object or a partition tells.
pub(super) fn ledgers_of_name(name: &str) -> Option<(u32, u32)> {
    let stem = EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension)).unwrap_or(name);
    let (reversed, ledgers) = stem.split_once("--")?;
    let (first, last) = ledgers.split_once('-').unwrap_or((ledgers, ledgers));
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    let fits = u32::from_str_radix(reversed, 16).ok()? == u32::MAX - first && first <= last;
    fits.then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(ledgers_per_batch: u32, batches_per_partition: u32) -> Schema {
        let json = format!(
            r#"{{"networkPassphrase": "a b", "version": "1.0", "compression": "zstd",
                "ledgersPerBatch": {ledgers_per_batch}, "batchesPerPartition": {batches_per_partition}}}"#
        );
        Schema::read("there", json.as_bytes()).unwrap()
    }

    #[test]
    fn objects_are_named_as_the_standard_and_real_lakes_name_them() {
        assert_eq!(schema(1, 64_000).object_of(2), "FFFFFFFF--0-63999/FFFFFFFD--2");
        assert_eq!(schema(1, 64_000).object_of(53_312_000), "FCD285FF--53312000-53375999/FCD285FF--53312000");
        assert_eq!(schema(64, 10).object_of(700), "FFFFFD7F--640-1279/FFFFFD7F--640-703");
        assert_eq!(schema(64, 1).object_of(63), "FFFFFFFF--0-63");
        assert_eq!(schema(1, 1).object_of(u32::MAX), "00000000--4294967295");
        assert_eq!(schema(64, 10).batch_of(700), (640, 703));
    }

    #[test]
    fn names_are_read_back() {
        assert_eq!(ledgers_of_name("FCD285FF--53312000.xdr.zstd"), Some((53_312_000, 53_312_000)));
        assert_eq!(ledgers_of_name("FFFFFD7F--640-703.xdr.zst"), Some((640, 703)));
        assert_eq!(ledgers_of_name("FFFFFFFF--0-63999"), Some((0, 63_999)));
        for other in [".config.json", "FFFFFFFF--1", "FFFFFD7F--640-3", "a--b", "FFFFFFFF--0.tmp"] {
            assert_eq!(ledgers_of_name(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_layout_is_refused_with_its_place() {
        for (json, says) in [
            ("", "EOF"),
            (r#"{"compression": "zstd", "ledgersPerBatch": 1}"#, "batchesPerPartition"),
            (r#"{"compression": "gzip", "ledgersPerBatch": 1, "batchesPerPartition": 1}"#, "gzip"),
            (r#"{"compression": "zstd", "ledgersPerBatch": 0, "batchesPerPartition": 1}"#, "no partition"),
            (r#"{"compression": "zstd", "ledgersPerBatch": 65536, "batchesPerPartition": 65536}"#, "no partition"),
        ] {
            let error = Schema::read("there", json.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("there: ") && error.contains(says), "{error}");
        }
    }
}
