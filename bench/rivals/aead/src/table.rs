//! The table: every library in turn, round by round, and what each gives beside the one that the engine uses.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use crate::Failure;
use crate::library::{AES_GCM, AES_GCM_BYTES, CHACHA, CHACHA_BYTES, NAMES, OF_TWO_BUILDS, OURS};
use crate::measure::FRAME_BYTES;

/// Rounds unless `--rounds` says otherwise.
const ROUNDS: usize = 7;

/// What is asked for.
pub(crate) struct Options {
    rounds: usize,
    /// This program in another build, whose `rustcrypto` stands beside this one's.
    beside: Option<PathBuf>,
}

/// One of those who are measured: its name in the table, and how it is asked.
struct Contender {
    shown: String,
    program: PathBuf,
    name: &'static str,
}

/// What is measured of a contender: algorithm and bytes of a piece.
type Work = (&'static str, usize);
/// Nanoseconds to seal and open a piece, of each contender, a figure for each round.
type Figures = BTreeMap<Work, Vec<Vec<f64>>>;

impl Options {
    /// Reads what stands behind `table`.
    pub(crate) fn read(words: &[&str]) -> Result<Options, Failure> {
        let mut options = Options {
            rounds: ROUNDS,
            beside: None,
        };
        for pair in words.chunks(2) {
            match *pair {
                ["--rounds", number] => options.rounds = number.parse()?,
                ["--beside", program] => options.beside = Some(program.into()),
                _ => return Err(format!("'{}' is no option of table", pair.join(" ")).into()),
            }
        }
        match options.rounds {
            0 => Err("--rounds must be 1 at least".into()),
            _ => Ok(options),
        }
    }

    /// Measures, and prints what came of it.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        let contenders = self.contenders()?;
        let mut figures = Figures::new();
        for round in 1..=self.rounds {
            eprintln!("rival-aead: round {round} of {}", self.rounds);
            for (index, contender) in contenders.iter().enumerate() {
                for (work, nanos) in contender.measure()? {
                    let all = figures.entry(work).or_default();
                    all.resize(contenders.len(), Vec::new());
                    all[index].push(nanos);
                }
            }
        }
        let works = CHACHA_BYTES.map(|bytes| (CHACHA, bytes)).into_iter();
        println!(
            "{}, {} rounds; CPU time, sealed and opened in place; medians, (smallest..largest).",
            cpu_model(),
            self.rounds
        );
        for work in works.chain(AES_GCM_BYTES.map(|bytes| (AES_GCM, bytes))) {
            print_work(work, &contenders, &figures[&work]);
        }
        print_lengths(&contenders, &figures);
        Ok(())
    }

    fn contenders(&self) -> Result<Vec<Contender>, Failure> {
        let this = std::env::current_exe()?;
        let mut contenders: Vec<Contender> = NAMES
            .map(|name| Contender {
                shown: name.to_owned(),
                program: this.clone(),
                name,
            })
            .into();
        contenders.extend(self.beside.clone().map(|program| Contender {
            shown: format!("{OF_TWO_BUILDS}, for this CPU"),
            program,
            name: OF_TWO_BUILDS,
        }));
        Ok(contenders)
    }
}

impl Contender {
    /// A round of it, in a process of its own.
    fn measure(&self) -> Result<Vec<(Work, f64)>, Failure> {
        let ran = Command::new(&self.program)
            .args(["measure", self.name])
            .output()?;
        if !ran.status.success() {
            return Err(format!("{}: {}", self.shown, String::from_utf8_lossy(&ran.stderr)).into());
        }
        let lines = String::from_utf8(ran.stdout)?;
        lines.lines().map(read_line).collect()
    }
}

fn read_line(line: &str) -> Result<(Work, f64), Failure> {
    let words: Vec<&str> = line.split(' ').collect();
    let [algorithm, bytes, sealed, opened] = words[..] else {
        return Err(format!("'{line}' is no line of measure").into());
    };
    let algorithm = [CHACHA, AES_GCM]
        .into_iter()
        .find(|name| *name == algorithm);
    let algorithm = algorithm.ok_or("an algorithm that is not known")?;
    let nanos = sealed.parse::<f64>()? + opened.parse::<f64>()?;
    Ok(((algorithm, bytes.parse()?), nanos))
}

fn print_work((algorithm, bytes): Work, contenders: &[Contender], figures: &[Vec<f64>]) {
    println!("\n{algorithm}, pieces of {bytes} bytes\n");
    println!("| library | ns, sealed and opened | GB/s, each way | time beside {OURS} |");
    println!("|---|---|---|---|");
    let ours = &figures[0];
    for (contender, nanos) in contenders.iter().zip(figures) {
        let ratios: Vec<f64> = nanos.iter().zip(ours).map(|(it, ours)| it / ours).collect();
        let (time, ratio) = (Spread::of(nanos), Spread::of(&ratios));
        println!(
            "| {} | {:.0} ({:.0}..{:.0}) | {:.2} | {:.2} ({:.2}..{:.2}) |",
            contender.shown,
            time.median,
            time.min,
            time.max,
            2.0 * bytes as f64 / time.median,
            ratio.median,
            ratio.min,
            ratio.max,
        );
    }
}

/// What of a frame's time its length explains, if each byte took what a byte of a long piece takes: the rest is
/// what each frame costs whatever its length, and the most that several frames at once could save.
fn print_lengths(contenders: &[Contender], figures: &Figures) {
    println!(
        "\n{CHACHA}, a frame of {FRAME_BYTES} bytes at the rate of {} bytes\n",
        CHACHA_BYTES[4]
    );
    println!("| library | at that rate, ns | beside it, ns | share of the frame |");
    println!("|---|---|---|---|");
    for (index, contender) in contenders.iter().enumerate() {
        let median = |bytes| Spread::of(&figures[&(CHACHA, bytes)][index]).median;
        let (frame, long) = (median(FRAME_BYTES), median(CHACHA_BYTES[4]));
        let by_length = long / CHACHA_BYTES[4] as f64 * FRAME_BYTES as f64;
        println!(
            "| {} | {by_length:.0} | {:.0} | {:.0} % |",
            contender.shown,
            frame - by_length,
            100.0 * (frame - by_length) / frame,
        );
    }
}

struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Spread {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Spread {
            min: sorted[0],
            median: sorted[sorted.len() / 2],
            max: sorted[sorted.len() - 1],
        }
    }
}

fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = line.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    model.unwrap_or_else(|| String::from("a CPU without a name"))
}
