//! Rust sources as the paths they mention. Read as tokens, so that a comment, a string or a line break changes nothing;
//! what is compiled for tests alone (`#[cfg(test)]`) is left out.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::path::{Path, PathBuf};

/// A path that a source mentions, `use` trees spelled out (`a::{b, c::*}` is `a::b` and `a::c`); a macro's last
/// segment keeps its `!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// From the crate's root if it began with `crate`, `self` or `super`; else as written.
    pub(crate) path: Vec<String>,
    /// Whether it is resolved from this crate's root.
    pub(crate) ours: bool,
    /// Where, from 1.
    pub(crate) line: usize,
}

/// A source file of the library.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the crate, with `/`.
    pub(crate) file: String,
    /// Where it stands in the crate: `src/book/levels.rs` is `book`, `levels`.
    pub(crate) module: Vec<String>,
    tokens: TokenStream,
}

impl Source {
    /// Parses `code` as the file that stands at `file`.
    pub(crate) fn new(file: &str, code: &str) -> Self {
        let tokens = code.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        Self { file: file.to_owned(), module: module_of(file), tokens }
    }

    /// The room it belongs to: its folder (or file) under `src`. `None` for `lib.rs` and `main.rs`.
    pub(crate) fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    /// What it mentions outside of its tests.
    pub(crate) fn mentions(&self) -> Vec<Mention> {
        let mut mentions = Vec::new();
        walk(&without_tests(&self.tokens), &self.module, &mut mentions);
        mentions
    }

    /// Lines with the keyword `unsafe`, tests included.
    pub(crate) fn unsafe_lines(&self) -> Vec<usize> {
        let mut lines = Vec::new();
        keyword_lines(self.tokens.clone(), "unsafe", &mut lines);
        lines
    }

    /// Modules in files of their own that are compiled for tests alone.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let tokens: Vec<_> = self.tokens.clone().into_iter().collect();
        let names = (0..tokens.len()).filter(|&at| is_test_attribute(&tokens, at)).filter_map(|at| {
            match (tokens.get(at + 2), tokens.get(at + 3), tokens.get(at + 4)) {
                (Some(keyword), Some(TokenTree::Ident(name)), Some(end)) if is(keyword, "mod") && is(end, ";") => {
                    Some(name.to_string())
                }
                _ => None,
            }
        });
        names.map(|name| self.module.iter().cloned().chain([name]).collect()).collect()
    }
}

/// All sources under `src`, in order, without those that are compiled for tests alone.
pub(crate) fn library() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    files.sort();
    let sources: Vec<_> = files
        .iter()
        .map(|path| {
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            Source::new(&relative, &std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let tests: Vec<_> = sources.iter().flat_map(Source::test_modules).collect();
    sources.into_iter().filter(|source| !tests.iter().any(|test| source.module.starts_with(test))).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn module_of(file: &str) -> Vec<String> {
    let inner = file.strip_prefix("src/").unwrap_or(file);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut module: Vec<_> = inner.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

fn is(token: &TokenTree, text: &str) -> bool {
    match token {
        TokenTree::Ident(ident) => ident == text,
        TokenTree::Punct(punct) => text.len() == 1 && text.starts_with(punct.as_char()),
        _ => false,
    }
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// `#[cfg(test)]`, `#[cfg(all(test, …))]` and the like begin at `at`.
fn is_test_attribute(tokens: &[TokenTree], at: usize) -> bool {
    let Some(attribute) =
        tokens.get(at).filter(|token| is(token, "#")).and(group(tokens.get(at + 1), Delimiter::Bracket))
    else {
        return false;
    };
    let inner: Vec<_> = attribute.stream().into_iter().collect();
    match (inner.first(), group(inner.get(1), Delimiter::Parenthesis)) {
        (Some(name), Some(condition)) if is(name, "cfg") => needs_test(condition.stream()),
        _ => false,
    }
}

/// Whether a condition can hold only in tests: `test`, or `all(…)` with it. (`any(test, …)` and `not(test)` can hold
/// outside of them.)
fn needs_test(condition: TokenStream) -> bool {
    let tokens: Vec<_> = condition.into_iter().collect();
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(ident) if ident == "test" => true,
        TokenTree::Ident(ident) if ident == "all" => {
            group(tokens.get(at + 1), Delimiter::Parenthesis).is_some_and(|inner| needs_test(inner.stream()))
        }
        _ => false,
    })
}

/// The tokens of one level without the items that are for tests alone.
fn without_tests(stream: &TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<_> = stream.clone().into_iter().collect();
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if is_test_attribute(&tokens, at) {
            at += 2;
            while at < tokens.len() && !is(&tokens[at], ";") && group(tokens.get(at), Delimiter::Brace).is_none() {
                at += 1;
            }
        } else {
            kept.push(tokens[at].clone());
        }
        at += 1;
    }
    kept
}

fn walk(tokens: &[TokenTree], module: &[String], mentions: &mut Vec<Mention>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(keyword) if keyword == "mod" && group(tokens.get(at + 2), Delimiter::Brace).is_some() => {
                let inner: Vec<_> = module.iter().cloned().chain([tokens[at + 1].to_string()]).collect();
                walk_group(&tokens[at + 2], &inner, mentions);
                at += 3;
            }
            TokenTree::Ident(_) => at = path(tokens, at, &[], module, mentions),
            token => {
                walk_group(token, module, mentions);
                at += 1;
            }
        }
    }
}

fn walk_group(token: &TokenTree, module: &[String], mentions: &mut Vec<Mention>) {
    if let TokenTree::Group(group) = token {
        walk(&without_tests(&group.stream()), module, mentions);
    }
}

/// Reads the path that begins at `at` and returns where it ends.
fn path(tokens: &[TokenTree], at: usize, prefix: &[String], module: &[String], mentions: &mut Vec<Mention>) -> usize {
    let line = tokens[at].span().start().line;
    let mut segments = prefix.to_vec();
    segments.push(tokens[at].to_string());
    let mut at = at + 1;
    while let [first, second, next, ..] = &tokens[at..] {
        if !is(first, ":") || !is(second, ":") {
            break;
        }
        match next {
            TokenTree::Ident(segment) => segments.push(segment.to_string()),
            star if is(star, "*") => {
                at += 3;
                break;
            }
            TokenTree::Group(tree) if tree.delimiter() == Delimiter::Brace => {
                use_tree(tree, &segments, module, mentions);
                return at + 3;
            }
            _ => break,
        }
        at += 3;
    }
    if let [bang, TokenTree::Group(_), ..] = &tokens[at..]
        && is(bang, "!")
        && let Some(last) = segments.last_mut()
    {
        last.push('!');
    }
    mentions.push(mention(segments, module, line));
    at
}

/// The branches of `prefix::{…}`.
fn use_tree(tree: &Group, prefix: &[String], module: &[String], mentions: &mut Vec<Mention>) {
    let tokens: Vec<_> = tree.stream().into_iter().collect();
    for branch in tokens.split(|token| is(token, ",")) {
        match branch.first() {
            Some(TokenTree::Ident(own)) if own == "self" => {
                mentions.push(mention(prefix.to_vec(), module, own.span().start().line));
            }
            Some(TokenTree::Ident(_)) => {
                path(branch, 0, prefix, module, mentions);
            }
            Some(star) => mentions.push(mention(prefix.to_vec(), module, star.span().start().line)),
            None => {}
        }
    }
}

/// Resolves `crate`, `self` and `super`.
fn mention(segments: Vec<String>, module: &[String], line: usize) -> Mention {
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    let first = segments.first().map(String::as_str);
    let (base, skip) = match first {
        Some("crate") => (&module[..0], 1),
        Some("self") if segments.len() > 1 => (module, 1),
        Some("super") => (&module[..module.len().saturating_sub(supers)], supers),
        _ => return Mention { path: segments, ours: false, line },
    };
    Mention { path: base.iter().cloned().chain(segments.into_iter().skip(skip)).collect(), ours: true, line }
}

fn keyword_lines(stream: TokenStream, keyword: &str, lines: &mut Vec<usize>) {
    for token in stream {
        match token {
            TokenTree::Ident(ident) if ident == keyword => lines.push(ident.span().start().line),
            TokenTree::Group(group) => keyword_lines(group.stream(), keyword, lines),
            _ => {}
        }
    }
}

fn mentioned(file: &str, code: &str) -> Vec<String> {
    Source::new(file, code).mentions().iter().map(|mention| mention.path.join("::")).collect()
}

#[test]
fn a_use_tree_is_spelled_out() {
    let paths =
        mentioned("src/book/mod.rs", "use crate::{stellar::{Price, self}, events::*}; use std::{time::Instant as I};");
    for path in ["stellar::Price", "stellar", "events", "std::time::Instant"] {
        assert!(paths.iter().any(|found| found == path), "{path} is not among {paths:?}");
    }
}

#[test]
fn a_path_is_found_wherever_it_stands() {
    let code = "fn f(x: &crate::feed::X) -> Vec<crate::risk::Y> { vec![crate::net::z(|| std::println!(\"\"))] }";
    let paths = mentioned("src/book/mod.rs", code);
    for path in ["feed::X", "risk::Y", "net::z", "std::println!"] {
        assert!(paths.iter().any(|found| found == path), "{path} is not among {paths:?}");
    }
}

#[test]
fn super_and_self_are_resolved_from_where_they_stand() {
    assert_eq!(mentioned("src/book/mod.rs", "super::feed::a")[0], "feed::a");
    assert_eq!(mentioned("src/book/levels.rs", "super::a")[0], "book::a");
    assert_eq!(mentioned("src/book/levels.rs", "super::super::feed::a")[0], "feed::a");
    assert_eq!(mentioned("src/book/levels.rs", "mod inner { use super::a; }")[1], "book::levels::a");
    assert_eq!(mentioned("src/book/levels.rs", "self::a::b")[0], "book::levels::a::b");
}

#[test]
fn comments_strings_and_tests_mention_nothing() {
    let code = r#"
        //! See crate::feed.
        /* crate::feed */ const A: &str = "crate::feed";
        #[cfg(test)] use crate::feed;
        #[cfg(all(test, not(loom)))] mod tests { use crate::feed; }
        impl A { #[cfg(test)] fn only_here() { crate::feed::x() } }
        #[cfg(not(test))] use crate::risk;
    "#;
    let paths = mentioned("src/book/mod.rs", code);
    assert!(!paths.iter().any(|path| path.starts_with("feed")), "{paths:?}");
    assert!(paths.iter().any(|path| path == "risk"), "{paths:?}");
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_known() {
    let source = Source::new("src/book/mod.rs", "#[cfg(test)] mod tests; mod levels;");
    assert_eq!(source.test_modules(), [["book", "tests"]]);
}
