"""What a chat template makes depend on what people say: where a hidden order would wait for its word. Runs nothing.

A template has no business with the words of a message. It puts marks around them; some look for the marks of their own family in
an earlier answer. Here it never sees the words at all (see `template`), so that what it looks for it does not find.
"""

from collections.abc import Iterator

from jinja2 import TemplateError, nodes

from engine.inference.sandbox import Environment

_CONTENT = {"content", "reasoning_content", "text"}
_KINDS = {"type", "role"}  # what a part of a message is, not what it says
_TIME = {"strftime_now"}
# What published families look for: where an earlier answer ends thinking, and what turns thinking on and off.
_OF_THE_FAMILY = {
    *("<think>", "</think>", "/think", "/no_think", "/nothink"),
    *("<tool_response>", "</tool_response>"),
}
_SOMETHING = "something that is worked out"
_MAX_SHOWN_CHARACTERS = 60


def triggers(source: str) -> tuple[str, ...]:
    """What it looks for in people's words, or that it looks at the date, in the order of the template; empty for one that cannot be read."""
    try:
        tree = Environment().parse(source)
    except (TemplateError, RecursionError):
        return ()
    spoken = _names_of_words(tree)
    found = [one for test in _tests(tree) for one in _sought(test, spoken)]
    found += [_shown(one) for one in _looked_up(tree, spoken)]
    return tuple(dict.fromkeys(found))


def _tests(tree: nodes.Template) -> Iterator[nodes.Node]:
    yield from (one.test for one in tree.find_all(nodes.If))
    yield from (one.test for one in tree.find_all(nodes.CondExpr))
    yield from (loop.test for loop in tree.find_all(nodes.For) if loop.test is not None)


def _names_of_words(tree: nodes.Template) -> frozenset[str]:
    """The variables that hold words of people: set from them, looped over them, or given to a macro."""
    names: frozenset[str] = frozenset()
    while True:
        more = names | frozenset(_assigned(tree, names))
        if more == names:
            return names
        names = more


def _assigned(tree: nodes.Template, spoken: frozenset[str]) -> Iterator[str]:
    for one in tree.find_all(nodes.Assign):
        if _holds_words(one.node, spoken):
            yield from _targets(one.target)
    for loop in tree.find_all(nodes.For):
        if _holds_words(loop.iter, spoken):
            yield from _targets(loop.target)
    macros = {macro.name: macro for macro in tree.find_all(nodes.Macro)}
    for call in tree.find_all(nodes.Call):
        macro = macros.get(call.node.name) if isinstance(call.node, nodes.Name) else None
        if macro and any(_holds_words(given, spoken) for given in (*call.args, *call.kwargs)):
            yield from (argument.name for argument in macro.args)


def _targets(target: nodes.Node) -> Iterator[str]:
    if isinstance(target, nodes.Name):
        yield target.name
    elif isinstance(target, nodes.NSRef):
        yield f"{target.name}.{target.attr}"
    elif isinstance(target, nodes.Tuple):
        for item in target.items:
            yield from _targets(item)


def _holds_words(node: nodes.Node, spoken: frozenset[str]) -> bool:
    if _key(node) in _KINDS:
        return False
    return _is_words(node, spoken) or any(_holds_words(one, spoken) for one in node.iter_child_nodes())


def _key(node: nodes.Node) -> object:
    match node:
        case nodes.Getattr(attr=key) | nodes.Getitem(arg=nodes.Const(value=key)):
            return key
    return None


def _is_words(node: nodes.Node, spoken: frozenset[str]) -> bool:
    match node:
        case nodes.Name(name=name):
            return name in spoken
        case nodes.Getattr(node=nodes.Name(name=name), attr=attribute):
            return attribute in _CONTENT or f"{name}.{attribute}" in spoken
        case nodes.Call(node=nodes.Getattr(attr="get"), args=[nodes.Const(value=value), *_]):
            return value in _CONTENT
    return _key(node) in _CONTENT


def _all_of(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _all_of(child)


def _sought(test: nodes.Node, spoken: frozenset[str]) -> Iterator[str]:
    """What a condition compares words with. Whether there are any, and of what type they are, is no comparison."""
    for one in _all_of(test):
        match one:
            case nodes.Name(name=name) if name in _TIME:
                yield "the date"
            case nodes.Compare():
                operands = (one.expr, *(operand.expr for operand in one.ops))
                if any(_holds_words(operand, spoken) for operand in operands):
                    yield from (_shown(other) for other in operands if _says(other, spoken))
            case nodes.Call(node=nodes.Getattr(node=owner)) if _holds_words(owner, spoken):
                yield from (_shown(argument) for argument in one.args if _says(argument, spoken))
            case nodes.Filter(node=owner) | nodes.Test(node=owner) if owner and _holds_words(owner, spoken):
                yield from (_shown(argument) for argument in one.args if _says(argument, spoken))


def _says(node: nodes.Node, spoken: frozenset[str]) -> bool:
    """Whether an operand is a text with something in it, or may be one."""
    if _holds_words(node, spoken):
        return False
    if not isinstance(node, nodes.Const):
        return True
    return isinstance(node.value, str) and node.value.strip() not in {"", *_OF_THE_FAMILY}


def _looked_up(tree: nodes.Template, spoken: frozenset[str]) -> Iterator[nodes.Node]:
    """Words as the key of a table: `{'word': 'order'}[message.content]`."""
    for one in tree.find_all(nodes.Getitem):
        if not isinstance(one.arg, nodes.Slice) and _holds_words(one.arg, spoken):
            yield one.node
    for call in tree.find_all(nodes.Call):
        is_get = isinstance(call.node, nodes.Getattr) and call.node.attr in {"get", "replace"}
        if is_get and any(_holds_words(given, spoken) for given in call.args):
            yield call.node


def _shown(node: nodes.Node) -> str:
    if not isinstance(node, nodes.Const):
        return _SOMETHING
    text = str(node.value).strip()
    return f"`{text[:_MAX_SHOWN_CHARACTERS]}`"
