"""Writes a C program that misuses every function of the header, from what the header declares.

Each function is called as it should be (which must succeed); then with NULL, bad UTF-8, bad JSON, and a
handle that is freed, outlived its callback, is of another type or garbage, for each argument in turn; with
numbers that stand for nothing; from another thread; beside a freed neighbour; and in a wrong state.
Each time there must be a status (or the value that stands for failure) and words. A function that is
new is covered by its declaration; one whose wrong states nobody has thought of fails here.

The program runs its cases in the order in which they were written; given a number, in another one that
the number stands for.

Usage: generate.py HEADER > matrix.c
"""

import pathlib
import re
import sys

HANDLES = {
    "HershConfig": "config", "HershToken": "token", "HershFlow": "flow", "HershWatcher": "watcher",
    "HershReport": "report", "HershSimulation": "simulation", "HershReplay": "replay",
    "HershKharonConfig": "kharon_config", "HershKharon": "kharon", "HershRouter": "router",
    "HershNewTicket": "new_ticket", "HershTicket": "ticket", "HershOptions": "options",
    "HershContext": "context", "HershPoll": "poll", "HershClaim": "claim",
}
CALLBACKS = {
    "HershManagedFn": "plain_managed", "HershPollFn": "plain_poll", "HershCleanupFn": "plain_cleanup",
    "HershMemoFn": "plain_memo", "HershHandlerFn": "plain_handler", "HershFreeFn": "count_free",
}
WHERE = {"HershContext": "IN_CONTEXT", "HershPoll": "IN_POLL", "HershClaim": "IN_CLAIM"}
TEXTS = {
    "name": '"x"', "key": '"k"', "value": '"1"', "words": '"w"', "reason": '"r"', "content": '"m"',
    "path": "journal", "address": '"127.0.0.1:0"', "token": '"t"', "host": '"h"', "kind": '"mail"',
    "tube": '"default"', "group": '"g"', "id": '"one"', "line": '"@daily"',
}
# Numbers that stand for something, with one that is right.
ENUMS = {
    "state": "HERSH_STATE_READY", "when": "HERSH_PERSIST_WHEN_AT_STOP", "missed": "HERSH_CATCH_UP_ALL",
    "durability": "HERSH_DURABILITY_NORMAL", "if_exists": "HERSH_IF_EXISTS_REFUSE",
    "status": "HERSH_TICKET_STATUS_ANY",
}
# Arguments that are right for one function alone.
RIGHT = {
    ("hersh_watcher_logs_json", "kind"): '"context"',
    ("hersh_new_ticket_new", "id"): '"three"',
    ("hersh_kharon_open_group", "name"): '"other"',
    ("hersh_kharon_close_group", "name"): '"g"',
    ("hersh_kharon_delete_group", "name"): '"g"',
    ("hersh_kharon_group_json", "name"): '"g"',
    ("hersh_kharon_add_all", "tickets"): "(const HershNewTicket *const *)&f->new_ticket",
    ("hersh_kharon_open_group", "finalizers"): "(const HershNewTicket *const *)&f->new_ticket",
    ("hersh_new_ticket_set_repeat_ms", "period_ms"): "1000",
    ("hersh_string_free", "string"): "f->string",
}
NUMBERS = {"timeout_ms": "30000", "claim_token": "HERSH_NO_CLAIM", "grace_ms": "0"}
# Where NULL says that there is none, or that the answer is not wanted.
OPTIONAL = {
    "user_data", "free_user_data", "free_value", "watched", "tick", "report", "listening", "options",
    "length@hersh_context_message", "length@hersh_report_unserved", "reason@hersh_watcher_request_stop",
    "reason@hersh_watcher_request_stop_with", "config@hersh_watcher_new", "config@hersh_kharon_new",
    "config@hersh_simulation_watcher_new", "path@hersh_config_set_persist",
    "path@hersh_config_set_journal", "address@hersh_config_set_api", "token@hersh_config_set_api_token",
    "path@hersh_kharon_config_set_sqlite", "id@hersh_new_ticket_new", "added", "kept", "statuses",
    "ran", "revived", "stopped", "after", "kind@hersh_kharon_list_json", "tube@hersh_kharon_list_json",
    "group@hersh_kharon_list_json", "kind@hersh_kharon_revive_all", "tube@hersh_kharon_revive_all",
    "group@hersh_kharon_revive_all",
}
# In a subject these are the handle itself, which must be there.
NEEDED = {
    "report@hersh_report_state", "report@hersh_report_unserved", "report@hersh_report_unserved_count",
}
# What must be done before, for the call to succeed.
START = "OK(hersh_watcher_start(f->watcher));"
END = "f->stops = true; OK(hersh_watcher_run(f->watcher, NULL));"
BEFORE = {
    "hersh_watcher_send": START, "hersh_watcher_send_bytes": START, "hersh_watcher_send_timeout": START,
    "hersh_watcher_wait_for": START, "hersh_watcher_wait": END, "hersh_watcher_value_json": END,
    "hersh_watcher_run": "f->stops = true;",
    "hersh_watcher_api_address": 'OK(hersh_watcher_start_api_server(f->watcher, "127.0.0.1:0", NULL));',
    "hersh_kharon_advance_ms": "OK(hersh_kharon_start(f->kharon, f->router));",
    "hersh_kharon_revive": 'OK(hersh_kharon_fail(f->kharon, "one", HERSH_NO_CLAIM, NULL));',
    "hersh_kharon_run": "HershKharon *still = f->kharon; OK(hersh_kharon_free(still));"
    " OK(hersh_kharon_new(NULL, &f->kharon)); OK(hersh_kharon_add(f->kharon, f->new_ticket));"
    " OK(hersh_router_not_found(f->router, stop_at_once, f, NULL));",
}
# Wrong states: what must be done before, and the answer.
KILLED = START + " OK(hersh_watcher_kill(f->watcher));"
SETTLED = ('OK(hersh_kharon_done(f->kharon, "one", HERSH_NO_CLAIM, NULL));', "SETTLED")
OVER = ("OK(hersh_claim_leave(f->claim)); OK(hersh_kharon_done(f->kharon, \"one\", HERSH_NO_CLAIM, NULL));",
        "STALE_CLAIM")
WRONG_STATES = {
    "hersh_watcher_start": (KILLED, "STATE"), "hersh_watcher_run": (KILLED, "STATE"),
    "hersh_watcher_manage": (KILLED, "STATE"), "hersh_watcher_cleanup": (KILLED, "STATE"),
    "hersh_watcher_send": (KILLED, "NOT_RUNNING"), "hersh_watcher_send_bytes": (KILLED, "NOT_RUNNING"),
    "hersh_watcher_send_timeout": (KILLED, "NOT_RUNNING"), "hersh_watcher_wait": ("", "TIMED_OUT"),
    "hersh_watcher_wait_for": (KILLED, "TIMED_OUT"), "hersh_watcher_value_json": ("", "NOT_FOUND"),
    "hersh_watcher_start_api_server":
        ('OK(hersh_watcher_start_api_server(f->watcher, "127.0.0.1:0", NULL));', "OS"),
    "hersh_watcher_api_address": ("", "NOT_RUNNING"),
    "hersh_context_watch_call":
        ('OK(hersh_context_watch_tick(f->context, "x", 1, NULL));', "MISMATCH"),
    "hersh_context_watch_call_update":
        ('OK(hersh_context_watch_tick(f->context, "x", 1, NULL));', "MISMATCH"),
    "hersh_context_watch_flow":
        ('OK(hersh_context_watch_tick(f->context, "x", 1, NULL));', "MISMATCH"),
    "hersh_context_watch_flow_latest":
        ('OK(hersh_context_watch_tick(f->context, "x", 1, NULL));', "MISMATCH"),
    "hersh_context_watch_tick":
        ('OK(hersh_context_watch_flow(f->context, "x", f->flow, NULL));', "MISMATCH"),
    "hersh_flow_push_json": ("OK(hersh_flow_close(f->flow));", "CLOSED"),
    "hersh_kharon_start": ("OK(hersh_kharon_start(f->kharon, f->router));", "STATE"),
    "hersh_kharon_run": ("", "STATE"), "hersh_kharon_advance_ms": ("", "STATE"),
    "hersh_kharon_add": ("OK(hersh_kharon_add(f->kharon, f->new_ticket));", "EXISTS"),
    "hersh_kharon_add_all": ("OK(hersh_kharon_add(f->kharon, f->new_ticket));", "EXISTS"),
    "hersh_kharon_get": ('OK(hersh_kharon_delete(f->kharon, "one", HERSH_NO_CLAIM));', "NOT_FOUND"),
    "hersh_kharon_done": SETTLED, "hersh_kharon_ack": SETTLED, "hersh_kharon_fail": SETTLED,
    "hersh_kharon_cancel": SETTLED, "hersh_kharon_retry": SETTLED, "hersh_kharon_revive": ("", "STATE"),
    "hersh_kharon_delete": ('OK(hersh_kharon_ack(f->kharon, "one", HERSH_NO_CLAIM, NULL));', "NOT_FOUND"),
    "hersh_kharon_open_group":
        ('OK(hersh_kharon_open_group(f->kharon, "other", NULL, 0, HERSH_FOREVER));', "EXISTS"),
    "hersh_kharon_close_group": ('OK(hersh_kharon_delete_group(f->kharon, "g"));', "NOT_FOUND"),
    "hersh_kharon_delete_group": ('OK(hersh_kharon_delete_group(f->kharon, "g"));', "NOT_FOUND"),
    "hersh_kharon_group_json": ('OK(hersh_kharon_delete_group(f->kharon, "g"));', "NOT_FOUND"),
    "hersh_claim_done": OVER, "hersh_claim_ack": OVER, "hersh_claim_fail": OVER,
    "hersh_claim_cancel": OVER, "hersh_claim_retry": OVER, "hersh_claim_extend": OVER,
    "hersh_replay_run": ("CHECK(remove(journal) == 0);", "OS"),
    "hersh_watcher_new": ("OK(hersh_config_set_max_watches(f->config, 0));", "CONFIG"),
    "hersh_simulation_watcher_new": ("OK(hersh_config_set_max_watches(f->config, 0));", "CONFIG"),
    "hersh_kharon_new": ("OK(hersh_kharon_config_set_workers(f->kharon_config, 0));", "CONFIG"),
}
# Functions that are wrong in no state, each by its name.
STATELESS = {
    line for line in (pathlib.Path(__file__).parent / "stateless.txt").read_text().splitlines()
    if not line.startswith("#")
}
# They answer what is there before they are called, and cannot fail.
CANNOT_FAIL = {"hersh_last_error_message", "hersh_state_name", "hersh_status_name", "hersh_version",
               "hersh_alive"}
TRUE_ON_FAILURE = {"hersh_token_is_cancelled", "hersh_context_cancelled", "hersh_claim_is_stopping",
                   "hersh_kharon_is_stopping"}


class Function:
    def __init__(self, answer, name, arguments):
        self.answer, self.name, self.arguments = answer, name, arguments
        types = [kind for kind, _ in arguments]
        self.where = next((WHERE[t.handle] for t in types if t.handle in WHERE), "OUTSIDE")
        self.simulated = name.startswith("hersh_simulation_")

    def optional(self, argument):
        at = f"{argument}@{self.name}"
        if argument == "options" and not self.name.startswith(("hersh_claim_", "hersh_kharon_")):
            return False
        return at not in NEEDED and (argument in OPTIONAL or at in OPTIONAL)


class Type:
    def __init__(self, text):
        self.text = text
        plain = text.replace("const ", "").strip()
        self.pointer = plain.endswith("*")
        single = plain[:-1].strip() if self.pointer else plain
        self.handle = single if self.pointer and single in HANDLES else None
        self.is_text = text == "const char *"
        self.callback = plain if plain in CALLBACKS else None
        self.owned_text = text == "char *"


def functions(header):
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    for answer, name, inside in re.findall(
        r"^([A-Za-z][\w ]*?[ *]+)(hersh_\w+)\(([^;]*?)\);", code, re.M
    ):
        arguments = []
        for part in [] if inside.strip() == "void" else inside.split(","):
            kind, argument = re.fullmatch(r"(.*?)(\w+)", " ".join(part.split())).groups()
            arguments.append((Type(kind.strip()), argument))
        yield Function(answer.strip(), name, arguments)


def right(function, kind, argument):
    """An argument as it should be."""
    special = RIGHT.get((function.name, argument))
    if special:
        return special
    if kind.handle == "HershWatcher" and function.simulated:
        return "f->simulated"
    if kind.handle:
        return f"f->{HANDLES[kind.handle]}"
    if kind.callback:
        return CALLBACKS[kind.callback]
    if kind.is_text:
        return TEXTS[argument]
    if kind.text == "const uint8_t *":
        return '(const uint8_t *)"m"'
    if kind.text == "void *":
        return "f"
    if kind.text == "const uint64_t *":
        return "&zero"
    if kind.pointer:
        return f"&out_{argument}"
    if argument in ENUMS and kind.text == "int32_t":
        return ENUMS[argument]
    if kind.text == "bool":
        return "true"
    return NUMBERS.get(argument, "1")


def outputs(function):
    """Where the function writes, and how that is given back."""
    declare, back = [], []
    for kind, argument in function.arguments:
        expression = right(function, kind, argument)
        if not expression.startswith("&out_"):
            continue
        inner = kind.text.rstrip()[:-1].strip()
        zero = " = NULL" if inner.endswith("*") else ""
        declare.append(f"{inner} out_{argument}{zero};")
        declare.append(f"(void)out_{argument};" if zero else f"memset(&out_{argument}, 0, sizeof out_{argument});")
        if inner == "char *":
            back.append(f"hersh_string_free(out_{argument});")
        elif inner.endswith("*") and inner[:-1].strip() in HANDLES:
            prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", inner[:-1].strip()).lower()
            back.append(f"{prefix}_free(out_{argument});")
    return " ".join(declare), " ".join(back)


def failed(function):
    """How the answer of a call that failed is told, for answers that are no status."""
    if function.answer == "bool":
        return "answer" if function.name in TRUE_ON_FAILURE else "!answer"
    if function.answer in ("HershState", "HershTrigger", "HershTicketStatus"):
        return "answer == -1"
    if function.answer == "HershOutcome":
        return "answer != HERSH_OUTCOME_OK"
    return "answer == 0"


cases = []


def case(function, name, arguments, status=None, text="", before="", how="HERE"):
    """One call. `status` is what is expected: None is success, "" an answer that says nothing."""
    declare, back = outputs(function)
    call = f"{function.name}({', '.join(arguments)})"
    if function.answer != "HershStatus":
        expect = f'EXPECT({failed(function)}, "{text}");' if status else "(void)answer;"
        if status:
            expect += f" EXPECT(words()[0] != 0, \"\");"
    elif status:
        expect = f'EXPECT(answer == HERSH_STATUS_{status}, "{text}"); EXPECT(words()[0] != 0, "");'
    else:
        expect = 'EXPECT(answer == HERSH_STATUS_OK, "");'
    number = len(cases)
    print(f"static void case_{number}(Fixture *f) {{")
    print("    static const uint64_t zero = 0; (void)zero, (void)f;")
    print(f"    {declare} {before}")
    print("    forget_words();")
    print(f"    {function.answer} answer = {call};")
    print(f"    {expect} {back}\n}}")
    cases.append((f"{function.name}: {name}", function.where, how))


def with_one(function, argument, expression):
    return [expression if name == argument else right(function, kind, name)
            for kind, name in function.arguments]


def cases_of(function):
    is_free = function.name.endswith("_free")
    good = with_one(function, None, None)
    before = BEFORE.get(function.name, "")
    case(function, "as it should be", good, before=before)
    neighbours = (
        "HershConfig *n1; HershFlow *n2; HershWatcher *n3; HershKharon *n4; HershOptions *n5;"
        "OK(hersh_config_new(&n1)); OK(hersh_flow_new(1, &n2)); OK(hersh_watcher_new(n1, &n3));"
        "OK(hersh_kharon_new(NULL, &n4)); OK(hersh_options_new(&n5)); OK(hersh_watcher_free(n3));"
        "OK(hersh_config_free(n1)); OK(hersh_flow_free(n2)); OK(hersh_kharon_free(n4));"
        "OK(hersh_options_free(n5));"
    )
    case(function, "after the end of its neighbours", good, before=before + neighbours)
    bound = function.where == "IN_CLAIM" or (function.simulated and not function.name.endswith("simulation_new"))
    case(function, "from another thread", good, how="ON_ANOTHER_THREAD", before=before,
         status="WRONG_THREAD" if bound else None, text="thread" if bound else "")
    for kind, argument in function.arguments:
        if (kind.pointer or kind.callback) and not is_free:
            if function.optional(argument):
                arguments = with_one(function, argument, "NULL")
                case(function, f"{argument} is NULL, as it may be", arguments, before=before)
            else:
                case(function, f"{argument} is NULL", with_one(function, argument, "NULL"),
                     "NULL_ARGUMENT", f"{argument} is NULL", before)
        if kind.is_text:
            case(function, f"{argument} is not UTF-8", with_one(function, argument, '"\\xff"'),
                 "INVALID_UTF8", f"{argument} is not UTF-8", before)
        if kind.is_text and argument == "value" and function.name.endswith("_json"):
            case(function, f"{argument} is not JSON", with_one(function, argument, '"{"'),
                 "INVALID_JSON", f"{argument} is not JSON", before)
        if kind.handle:
            other = "f->flow" if kind.handle == "HershToken" else "f->token"
            for name, wrong, text in (
                ("of another type", other, "not a"),
                ("garbage", "(void *)&zero", argument),
                ("freed", None, argument),
            ):
                free = before
                if name == "freed":
                    if kind.handle in WHERE:
                        continue  # ends with its callback, and has a case of its own
                    wrong, free = "gone", before + gone(kind.handle)
                case(function, f"{argument} is {name}",
                     with_one(function, argument, f"({kind.text})({wrong})"), "INVALID_HANDLE", text, free)
        if kind.text == "int32_t" and argument in ENUMS:
            case(function, f"{argument} stands for nothing", with_one(function, argument, "99"),
                 "INVALID_ARGUMENT", "99", before)
    if function.where != "OUTSIDE":
        case(function, "after its callback has returned", good, "INVALID_HANDLE",
             "its callback has returned", how="AFTERWARDS")
    if is_free:
        case(function, "NULL, as it may be", ["NULL"])
    if function.name in WRONG_STATES:
        setup, status = WRONG_STATES[function.name]
        case(function, "in a wrong state", good, status, before=setup)
    elif function.name not in STATELESS:
        sys.exit(f"{function.name}: in which state is it wrong? Say so in WRONG_STATES, or stateless.txt")


def gone(handle):
    """Makes a handle of a type and frees it."""
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", handle).lower()
    if handle in ("HershReport", "HershTicket", "HershWatcher"):
        make = {
            "HershReport": "OK(hersh_watcher_stop(f->watcher, &gone))",
            "HershTicket": 'OK(hersh_kharon_get(f->kharon, "one", &gone))',
            "HershWatcher": "OK(hersh_watcher_new(NULL, &gone))",
        }[handle]
    else:
        given = {"HershToken": "0, ", "HershFlow": "1, ", "HershSimulation": "1, ", "HershReplay": "journal, ",
                 "HershKharon": "NULL, ", "HershNewTicket": 'NULL, "x", '}.get(handle, "")
        make = f"OK({prefix}_new({given}&gone))"
    return f"{handle} *gone = NULL; {make}; OK({prefix}_free(gone));"


print("/* Written by generate.py. */\n#include \"fixture.h\"\n")
print("static int32_t stop_at_once(HershClaim *claim, void *data) {\n"
      "    (void)claim;\n"
      "    OK(hersh_kharon_stop(((Fixture *)data)->kharon, 0, NULL));\n"
      "    return HERSH_OUTCOME_OK;\n}\n")
with open(sys.argv[1], encoding="utf-8") as header:
    everything = [one for one in functions(header.read()) if one.name not in CANNOT_FAIL]
declared = {one.name for one in everything}
for name in sorted((STATELESS | set(WRONG_STATES)) - declared | STATELESS & set(WRONG_STATES)):
    sys.exit(f"{name}: the header has no such function, or it is in WRONG_STATES and stateless.txt")
for one in everything:
    cases_of(one)
print("static const Case cases[] = {")
for number, (name, where, how) in enumerate(cases):
    print(f'    {{"{name}", case_{number}, {where}, {how}}},')
print(f"}};\n\nint main(int count, char **arguments) {{\n    static size_t order[{len(cases)}];"
      f"\n    arrange(order, {len(cases)}, count > 1 ? arguments[1] : NULL);\n    record();"
      f"\n    for (size_t at = 0; at < {len(cases)}; at++) {{"
      "\n        if (access(journal, F_OK) != 0) record();\n        run_case(&cases[order[at]]);\n    }")
print(f'    remove(journal);\n    printf("{len(cases)} cases of {len(everything)} functions\\n");')
print("    return finished();\n}")
