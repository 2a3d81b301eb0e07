//! Groups of bars as SVG, with a whisker from the smallest run to the largest.
//!
//! ```text
//!   title, unit          ■ limit  ■ ringwire  ■ CometBFT maxed
//!   max ┤
//!       │   █ ▒      one group of bars per label, one bar per series
//!     0 └───────────────────────
//!          1 KiB   8 KiB
//! ```

use std::fmt::Write;

use crate::measure::Spread;

/// The drawing, in user units; it scales with the page.
pub(super) const WIDTH: f64 = 720.0;
pub(super) const HEIGHT: f64 = 290.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 8.0;
/// Room for two lines of legend and a value above the highest bar.
const TOP: f64 = 46.0;
const LEGEND_LINE: f64 = 16.0;
const BOTTOM: f64 = 44.0;
/// A bar this wide has its value above it; narrower ones show it when pointed at.
const LABELLED_WIDTH: f64 = 24.0;
/// Lines across the chart, the one at the bottom not counted.
const GRID_LINES: u32 = 4;

/// How high a value stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten, from the power below the smallest value.
    Log,
}

/// A chart to be.
pub(super) struct Chart {
    /// What it shows, and whether more is better.
    pub(super) title: String,
    /// Unit of the values.
    pub(super) unit: String,
    /// How high values stand.
    pub(super) scale: Scale,
    /// Names of the groups, from left to right.
    pub(super) groups: Vec<String>,
    /// What is compared, in this order.
    pub(super) series: Vec<Series>,
}

/// One contender's values.
pub(super) struct Series {
    /// Who.
    pub(super) name: String,
    /// The class that gives it its colour.
    pub(super) class: &'static str,
    /// Its value in each group that has one.
    pub(super) values: Vec<Option<Spread>>,
}

impl Chart {
    /// The chart as an SVG element; nothing if there is no value in it.
    pub(super) fn svg(&self) -> Option<String> {
        let drawing = self.drawing()?;
        let title = escape(&self.title);
        Some(format!(
            r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>{drawing}</svg>"#
        ))
    }

    /// What is inside the element, [`WIDTH`] by [`HEIGHT`]; nothing if there is no value in it.
    pub(super) fn drawing(&self) -> Option<String> {
        let axis = Axis::of(self)?;
        let mut svg = String::new();
        self.draw_legend(&mut svg);
        axis.draw(&mut svg);
        self.draw_groups(&mut svg, &axis);
        Some(svg)
    }

    fn draw_legend(&self, svg: &mut String) {
        let (mut x, mut y) = (LEFT, 6.0);
        for Series { name, class, .. } in &self.series {
            let width = 30.0 + name.chars().count() as f64 * 7.0;
            if x + width > WIDTH && x > LEFT {
                (x, y) = (LEFT, y + LEGEND_LINE);
            }
            write!(
                svg,
                r#"<rect class="{class}" x="{x}" y="{y}" width="10" height="10"/><text x="{}" y="{}">{}</text>"#,
                x + 14.0,
                y + 9.0,
                escape(name)
            )
            .expect(TEXT);
            x += width;
        }
    }

    fn draw_groups(&self, svg: &mut String, axis: &Axis) {
        let group_width = (WIDTH - LEFT - RIGHT) / self.groups.len() as f64;
        let bar_width = (group_width * 0.8 / self.series.len() as f64).min(40.0);
        for (index, group) in self.groups.iter().enumerate() {
            let middle = LEFT + group_width * (index as f64 + 0.5);
            let y = HEIGHT - BOTTOM + 18.0;
            // A letter is about 0.6 of its size wide.
            let letters = group.chars().count().max(1) as f64;
            let size = (group_width / letters / 0.6).min(12.0);
            write!(
                svg,
                r#"<text class="mid" style="font-size:{size:.1}px" x="{middle:.1}" y="{y}">{}</text>"#,
                escape(group)
            )
            .expect(TEXT);
            let start = middle - bar_width * self.series.len() as f64 / 2.0;
            for (place, series) in self.series.iter().enumerate() {
                if let Some(spread) = series.values[index] {
                    let x = start + bar_width * place as f64;
                    let label = format!("{}, {group}", series.name);
                    self.draw_bar(svg, axis, [x, bar_width], series.class, &label, spread);
                }
            }
        }
    }

    fn draw_bar(
        &self,
        svg: &mut String,
        axis: &Axis,
        [x, width]: [f64; 2],
        class: &str,
        label: &str,
        spread: Spread,
    ) {
        let [top, low, high] = [spread.median, spread.min, spread.max].map(|v| axis.y(v));
        let (bottom, middle) = (HEIGHT - BOTTOM, x + width / 2.0);
        write!(
            svg,
            r#"<g><title>{}: {} {} ({}..{})</title><rect class="{class}" x="{:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"/><path class="whisker" d="M{middle:.1} {low:.1}V{high:.1}"/>"#,
            escape(label),
            short(spread.median),
            escape(&self.unit),
            short(spread.min),
            short(spread.max),
            x + 1.0,
            width - 2.0,
            (bottom - top).max(0.5),
        )
        .expect(TEXT);
        if width >= LABELLED_WIDTH {
            let y = high.min(top) - 4.0;
            let value = short(spread.median);
            write!(
                svg,
                r#"<text class="val" x="{middle:.1}" y="{y:.1}">{value}</text>"#
            )
            .expect(TEXT);
        }
        svg.push_str("</g>");
    }
}

/// Why writing cannot fail.
const TEXT: &str = "a String takes all that is written to it";

/// The values' axis.
struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
}

impl Axis {
    fn of(chart: &Chart) -> Option<Axis> {
        let spreads = || {
            chart
                .series
                .iter()
                .flat_map(|series| series.values.iter().flatten())
        };
        let max = spreads().map(|s| s.max).max_by(f64::total_cmp)?;
        let positive = spreads().map(|s| s.min).filter(|min| *min > 0.0);
        let min = positive.min_by(f64::total_cmp).unwrap_or(1.0);
        let (from, to) = match chart.scale {
            Scale::Linear => (0.0, round_up(max * 1.05)),
            Scale::Log => (min.log10().floor(), max.max(min).log10().ceil()),
        };
        let to = if to > from { to } else { from + 1.0 };
        Some(Axis {
            scale: chart.scale,
            from,
            to,
        })
    }

    fn y(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).log10(),
        };
        let part = ((place - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)
    }

    fn draw(&self, svg: &mut String) {
        let lines: Vec<f64> = match self.scale {
            Scale::Linear => (0..=GRID_LINES)
                .map(|line| self.to * f64::from(line) / f64::from(GRID_LINES))
                .collect(),
            Scale::Log => {
                let powers = (self.to - self.from).round() as i32;
                (0..=powers)
                    .map(|power| 10f64.powf(self.from + f64::from(power)))
                    .collect()
            }
        };
        for value in lines {
            let y = self.y(value);
            write!(
                svg,
                r#"<path class="grid" d="M{LEFT} {y:.1}H{}"/><text class="end" x="{}" y="{:.1}">{}</text>"#,
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                short(value)
            )
            .expect(TEXT);
        }
    }
}

/// The next number at or above a positive one that divides well into four.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

/// A figure with about three digits that mean something.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        10_000.0.. => format!("{:.0}k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.01.. => format!("{value:.2}"),
        0.0 => String::from("0"),
        _ => format!("{value:.4}"),
    }
}

/// Text that stands in HTML as it is read.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: Vec<Option<Spread>>, scale: Scale) -> Chart {
        Chart {
            title: String::from("a < b"),
            unit: String::from("MB/s"),
            scale,
            groups: vec![String::from("1 KiB"); values.len()],
            series: vec![Series {
                name: String::from("limit"),
                class: "limit",
                values,
            }],
        }
    }

    #[test]
    fn a_missing_value_leaves_a_gap_and_a_chart_without_values_is_none() {
        let value = Some(Spread::of(vec![1.0, 2.0, 3.0]));
        let svg = chart(vec![value, None], Scale::Linear).svg();
        let svg = svg.expect("one value is there");
        assert_eq!(svg.matches("whisker").count(), 1);
        assert!(svg.contains("a &lt; b"), "names are escaped");
        assert!(chart(vec![None, None], Scale::Log).svg().is_none());
    }

    #[test]
    fn axes_hold_every_value_even_zero_on_a_logarithmic_one() {
        for scale in [Scale::Linear, Scale::Log] {
            let zero = Some(Spread::of(vec![0.0]));
            let large = Some(Spread::of(vec![4e6]));
            let chart = chart(vec![zero, large], scale);
            let axis = Axis::of(&chart).expect("two values");
            for value in [0.0, 1.0, 4e6] {
                let y = axis.y(value);
                assert!(
                    (TOP..=HEIGHT - BOTTOM).contains(&y),
                    "{value} stands at {y}"
                );
            }
        }
    }
}
