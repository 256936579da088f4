"""How reports look: on a screen, light or dark, and on A4."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1d21; --soft: #5c6066; --line: #d8dade; --fine: #2a78b5;
  --wrong: #d9622b; --unknown: #a9adb4; --heat0: #e4eff7; --heat1: #fbe3d4; --heat2: #f5c4a6; --heat3: #ec9e72;
  --heat4: #d9622b; --heat5: #a5400f; --on-deep: #fff; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e7e8ea; --soft: #a4a8ae; --line: #383c42;
  --fine: #5aa5de; --wrong: #ee8a55; --unknown: #767b83; --heat0: #1e3444; --heat1: #4a3325; --heat2: #6e4226;
  --heat3: #974f25; --heat4: #c9612c; --heat5: #f08a54; --on-deep: #16181b; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 1.75rem 0 .4rem; }
p { margin: .3rem 0; } .soft, caption, figcaption { color: var(--soft); font-size: .9rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.figures div { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.figures b { display: block; font-size: 1.6rem; line-height: 1.2; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } caption { text-align: left; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--line); font-weight: normal; }
th { color: var(--soft); vertical-align: bottom; } th:first-child, td:first-child { text-align: left; }
section, figure, tr { break-inside: avoid; } figure { margin: 0; } svg { display: block; width: 100%; height: auto; }
.sheet td { width: 35%; } .sheet td + td { width: 65%; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
.compliant, .key .compliant { fill: var(--fine); background: var(--fine); }
.violation, .key .violation { fill: var(--wrong); background: var(--wrong); }
.unknown, .key .unknown { fill: var(--unknown); background: var(--unknown); }
.trend { fill: none; stroke: var(--fine); stroke-width: 2; } .dot { fill: var(--fine); fill-opacity: .45; }
.nodata { fill: url(#hatch); } .none { fill: none; stroke: var(--line); stroke-width: .5; } .up { fill: var(--fine); }
.hatch { stroke: var(--line); stroke-width: 3; } .grid { stroke: var(--line); stroke-width: .7; }
.tick, .cell { font-size: 11px; fill: var(--soft); } .middle, .cell { text-anchor: middle; } .end { text-anchor: end; }
.cell { fill: var(--ink); font-size: 10px; } .l4, .l5 { fill: var(--on-deep); }
.heat0 { fill: var(--heat0); } .heat1 { fill: var(--heat1); } .heat2 { fill: var(--heat2); }
.heat3 { fill: var(--heat3); } .heat4 { fill: var(--heat4); } .heat5 { fill: var(--heat5); }
.key i { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .9rem; border-radius: .15rem; }
.key .heat0 { background: var(--heat0); } .key .heat1 { background: var(--heat1); }
.key .heat3 { background: var(--heat3); } .key .heat5 { background: var(--heat5); }
.key .nodata { border: 1px solid var(--soft);
  background: repeating-linear-gradient(45deg, var(--line) 0 3px, transparent 3px 6px); }
@media (max-width: 45rem) { body { padding: .75rem; } table { display: block; overflow-x: auto; }
  th, td { white-space: nowrap; } figure { overflow-x: auto; } svg { min-width: 34rem; } }
@page { size: A4; margin: 14mm; }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #111; --soft: #444; --line: #bbb; --fine: #2a78b5;
  --wrong: #d9622b; --unknown: #a9adb4; --heat0: #e4eff7; --heat1: #fbe3d4; --heat2: #f5c4a6; --heat3: #ec9e72;
  --heat4: #d9622b; --heat5: #a5400f; --on-deep: #fff; }
  h2 { margin-top: 1.1rem; break-after: avoid; } .figures { grid-template-columns: repeat(5, 1fr); }
  .figures div { padding: .4rem .5rem; } .figures b { font-size: 1.3rem; }
  body { padding: 0; max-width: none; font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .sheet { font-size: 9.5pt; } .sheet h2 { margin: .7rem 0 .2rem; } .sheet ul { margin: 0; }
}
"""
