"""Makes every guard of a copy of src/federation/saml one that can be taken away while the program runs; script/mutate-saml runs it.

A line `// guard: name` stands above one of: an `if` that refuses, a statement that ends in `?;`, an arm of a `match` that refuses and behind which
another lets pass. The names are printed, each with its place.
"""

import pathlib
import re
import sys

MARK = re.compile(r"^\s*// guard: ([a-z0-9_]+)\s*$")

SWITCH = '''
/// Which guard is taken away.
pub mod mutated {
    static GONE: std::sync::RwLock<String> = std::sync::RwLock::new(String::new());

    /// Whether a guard stands.
    pub fn on(name: &str) -> bool {
        GONE.read().is_ok_and(|gone| *gone != name)
    }

    /// Takes a guard away, and puts the last one back.
    pub fn take_away(name: &str) {
        *GONE.write().unwrap() = name.to_owned();
    }
}
'''


def statement(lines, at):
    """The lines of the statement that begins there: until brackets are closed and it ends in `;`, `{` or `,`."""
    depth = 0
    for end in range(at, len(lines)):
        code = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'|//.*', "", lines[end])
        depth += sum(code.count(sign) for sign in "([") - sum(code.count(sign) for sign in ")]")
        if depth == 0 and code.rstrip().endswith((";", "{", ",")):
            return end
    raise SystemExit(f"no end of the statement: {lines[at]}")


def switched(name, text):
    on = f'crate::federation::saml::mutated::on("{name}")'
    if found := re.match(r"(\s*(?:\} else )?)if (.*)\{\s*$", text, re.S):
        before, condition = found.groups()
        is_chain = re.search(r"\blet\b", condition)
        # Asked last: a condition may be one that also does something.
        return f"{before}if {condition}&& {on} {{" if is_chain else f"{before}if ({condition.strip()}) && {on} {{"
    if text.rstrip().endswith("?;") and not re.match(r"\s*let\b", text):
        return f"if {on} {{ {text} }}"
    if found := re.match(r"(\s*)(.*?)( if (.*?))? => (.*)$", text, re.S):
        space, pattern, _, condition, rest = found.groups()
        return f"{space}{pattern} if ({condition or 'true'}) && {on} => {rest}"
    raise SystemExit(f"the guard {name} has no form that is known: {text}")


def main():
    folder = pathlib.Path(sys.argv[1])
    known = {}
    for path in sorted(folder.rglob("*.rs")):
        lines = path.read_text().split("\n")
        at = 0
        while at < len(lines):
            if mark := MARK.match(lines[at]):
                name = mark[1]
                place = f"{path.relative_to(folder)}:{at + 1}"
                if name in known:
                    raise SystemExit(f"the guard {name} stands twice: {known[name]}, {place}")
                known[name] = place
                at += 1
                while lines[at].lstrip().startswith("//"):
                    at += 1
                end = statement(lines, at)
                lines[at : end + 1] = [switched(name, "\n".join(lines[at : end + 1]))]
            at += 1
        path.write_text("\n".join(lines))
    top = folder / "mod.rs"
    top.write_text(top.read_text() + SWITCH)
    for name, place in known.items():
        print(name, place)


main()
