//! Plots as SVG: enough for a page of figures, in colours that show on light and on dark.

use std::fmt::Write as _;

const COLOURS: [&str; 6] = ["#2f6fde", "#d9822b", "#2a9d6f", "#b0447b", "#7a5fd0", "#6b7785"];
const INK: &str = "#6b7785";

/// One bar of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
}

/// One line of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

fn frame(width: f64, height: f64, title: &str, inside: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" \
         fill=\"{INK}\" role=\"img\"><title>{title}</title><text x=\"16\" y=\"26\" font-size=\"16\">{title}</text>{inside}</svg>\n"
    )
}

/// Horizontal bars, each with its figure.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
    let mut inside = String::new();
    for (number, bar) in bars.iter().enumerate() {
        let (y, length) = (48.0 + 34.0 * number as f64, bar.value / most * 380.0);
        write!(
            inside,
            "<text x=\"16\" y=\"{}\">{}</text><rect x=\"330\" y=\"{y}\" width=\"{length:.1}\" height=\"22\" rx=\"3\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{:.0} {unit}</text>",
            y + 16.0,
            bar.name,
            COLOURS[number % COLOURS.len()],
            338.0 + length,
            y + 16.0,
            bar.value
        )
        .unwrap();
    }
    frame(860.0, 64.0 + 34.0 * bars.len() as f64, title, &inside)
}

/// Lines over logarithmic axes; the vertical one begins at 1.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn lines(title: &str, across: &str, up: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (low, high) = points().fold((f64::MAX, 1.0_f64), |(low, high), (x, _)| (low.min(x), high.max(x)));
    let top = points().map(|(_, y)| y).fold(10.0, f64::max).log10().ceil();
    let span = (high / low).log10().max(1e-9);
    let place = |(x, y): (f64, f64)| (70.0 + (x / low).log10() / span * 520.0, 320.0 - y.max(1.0).log10() / top * 260.0);
    let mut inside = String::new();
    let mut value = 1.0_f64;
    while value.log10() <= top {
        let (_, y) = place((low, value));
        write!(
            inside,
            "<path d=\"M70 {y:.1}H590\" stroke=\"{INK}\" stroke-opacity=\".25\"/>\
             <text x=\"62\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            y + 4.0
        )
        .unwrap();
        value *= 10.0;
    }
    let mut sizes: Vec<_> = points().map(|(x, _)| x).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    for size in sizes {
        let (x, _) = place((size, 0.0));
        write!(inside, "<text x=\"{x:.1}\" y=\"342\" text-anchor=\"middle\">{size}</text>").unwrap();
    }
    write!(inside, "<text x=\"330\" y=\"364\" text-anchor=\"middle\">{across}</text><text x=\"16\" y=\"46\">{up}</text>").unwrap();
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let places: Vec<_> = line.points.iter().map(|point| place(*point)).collect();
        let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        write!(inside, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.join(" ")).unwrap();
        for (x, y) in places {
            write!(inside, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>").unwrap();
        }
        let y = 380.0 + 20.0 * number as f64;
        write!(
            inside,
            "<rect x=\"70\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"90\" y=\"{}\">{}</text>",
            y + 11.0,
            line.name
        )
        .unwrap();
    }
    frame(640.0, 400.0 + 20.0 * lines.len() as f64, title, &inside)
}
