"""Makes a picture (SVG) of what a terminal shows. Reads the terminal's text with its colours; the one argument is the title."""

import re
import sys

from rich.console import Console
from rich.text import Text

shown = sys.stdin.read().rstrip().splitlines()
console = Console(record=True, width=80, file=open("/dev/null", "w"), force_terminal=True)
for line in shown:
    console.print(Text.from_ansi(line), no_wrap=True, crop=True)
svg = console.export_svg(title=sys.argv[1])
# Nothing is fetched to look at it: the reader's own font does.
svg = re.sub(r"@font-face\s*{.*?}\s*", "", svg, flags=re.S)
sys.stdout.write(svg.replace("Fira Code", "ui-monospace, monospace"))
