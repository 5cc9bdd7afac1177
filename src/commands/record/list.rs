//! What a folder of recordings holds, for people and for programs.

use super::{RecordArgs, RecordError};
use crate::archive::{Index, check};
use serde_json::json;
use std::io::Write;

/// Ranges that are written out; a folder with more of them is told by their number.
const MOST_RANGES: usize = 20;

/// Ranges as people write them.
pub(super) fn words(ranges: &[(u32, u32)]) -> String {
    if ranges.is_empty() {
        return "nothing".to_owned();
    }
    let one = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let mut words: Vec<String> = ranges.iter().take(MOST_RANGES).map(one).collect();
    if ranges.len() > MOST_RANGES {
        words.push(format!("and {} ranges more", ranges.len() - MOST_RANGES));
    }
    format!("ledgers {}", words.join(", "))
}

/// Lists the folder, and checks it if that is asked.
pub(super) fn run(args: &RecordArgs, out: &mut impl Write) -> Result<(), RecordError> {
    let index = Index::read(&args.dir)?;
    let checked = if args.check { Some(check(&args.dir)?) } else { None };
    if args.json {
        let file = |file: &crate::archive::FileEntry| json!({"path": file.path, "first": file.first, "last": file.last, "bytes": file.bytes, "open": file.open});
        let files: Vec<_> = index.files.iter().map(file).collect();
        let list = json!({
            "files": files, "ranges": index.ranges(), "gaps": index.gaps(), "bytes": index.bytes(), "checked": checked,
        });
        writeln!(out, "{list}")?;
        return Ok(());
    }
    for file in &index.files {
        let name = file.path.file_name().unwrap_or_default().display();
        let open = if file.open { "  open" } else { "" };
        writeln!(out, "{name}  {:>10} to {:<10} {:>14} bytes{open}", file.first, file.last, file.bytes)?;
    }
    writeln!(out, "holds    {}, {} bytes in {} files", words(&index.ranges()), index.bytes(), index.files.len())?;
    writeln!(out, "missing  {}", words(&index.gaps()))?;
    if let Some(count) = checked {
        writeln!(out, "checked  {count} ledgers: each is whole, and follows the one before it")?;
    }
    Ok(())
}
