"""How the report looks, on light and dark screens and on paper. Nothing of it is fetched."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--card:#f6f8fa;--ink:#1f2328;--quiet:#59636e;--rule:#d1d9e0;
--line:#2563eb;--other:#c2570c;--good:#1a7f37;--bad:#c1121f;--heat:37 99 235}
@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--card:#161b22;--ink:#f0f6fc;--quiet:#9198a1;--rule:#3d444d;
--line:#7ab0ff;--other:#fba45c;--good:#3fb950;--bad:#ff7b72;--heat:88 148 255}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1040px;margin:0 auto;padding:32px 20px 80px}
h1{font-size:1.9rem;margin:0}h2{font-size:1.45rem;margin:0}h3{font-size:1rem;margin:28px 0 8px}
p{margin:6px 0}.quiet,caption{color:var(--quiet)}
a{color:var(--line);text-decoration:none}a:hover{text-decoration:underline}
section{border-top:1px solid var(--rule);margin-top:44px;padding-top:28px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding-bottom:6px}
th,td{text-align:left;padding:6px 12px;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:600;white-space:nowrap}.number{text-align:right;white-space:nowrap}
.wide{width:100%}.said{white-space:pre-wrap;overflow-wrap:anywhere;min-width:8rem}
.facts{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0}
.fact{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 16px;min-width:150px}
.fact b{display:block;font-size:1.45rem;line-height:1.25}.fact span{color:var(--quiet);font-size:.88rem}
.good{color:var(--good)}.bad{color:var(--bad)}
.confusion td{text-align:center;min-width:52px}.confusion th[scope=col]{text-align:center}
.confusion .right{outline:2px solid var(--good);outline-offset:-3px}
.hurts{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 16px;margin:10px 0}
.curve{width:100%;max-width:640px;height:auto;display:block}
.curve text{fill:var(--quiet);font-size:12px}.curve .grid{stroke:var(--rule)}
.curve .line{fill:none;stroke:var(--line);stroke-width:2.5;stroke-linejoin:round}
.curve .dot{fill:var(--line);stroke:var(--paper);stroke-width:2}
.curve .band{fill:var(--line);opacity:.16}
.curve .baseline{stroke:var(--other);stroke-width:1.5;stroke-dasharray:6 5}
.key{display:inline-block;width:26px;border-top:2px dashed var(--other);vertical-align:middle;margin-right:6px}
summary{cursor:pointer;color:var(--quiet)}
@media print{section{break-inside:avoid-page}a{color:inherit}}
"""
