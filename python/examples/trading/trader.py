"""The managed function, and the answers to what can be asked."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional

import hersh

from .market import Trade
from .strategy import Chart, Portfolio, new_portfolio, order, worth

HELP = "status (s), portfolio (p), trades (t), prices, help (h), stop"
SHORT_FORMS = {"s": "status", "p": "portfolio", "t": "trades", "h": "help"}


def tell(ctx: hersh.Context, words: str) -> None:
    print(words, flush=True)
    ctx.log(words)


def build(watcher: hersh.Watcher, trades: object, news: object) -> hersh.Watcher:
    """Trades on what these channels bring; where they end, a socket or a test, is not its affair."""
    charts: dict[str, Chart] = {}

    @watcher.manage("trade on golden crosses")
    def trade(msg: Optional[hersh.Message], ctx: hersh.Context) -> None:
        if ctx.execution == 1:
            # A new session; the gap since the last one belongs in no average.
            charts.clear()
            tell(ctx, HELP)
        # Every trade counts, so each gets an execution. Of the news only the newest matters.
        made = ctx.watch_flow("trade", trades)
        heard = ctx.watch_flow("feed", news, latest=True)
        if heard.triggered:
            ctx.set_value("feed", heard.value)
            tell(ctx, f"feed: {heard.value}")
        if made.triggered:
            react(charts, made.value, ctx)
        if msg:
            obey(charts, msg.content.strip().lower(), ctx)

    @watcher.cleanup
    def bye(ctx: hersh.Context) -> None:
        tell(ctx, status(charts, ctx))

    return watcher


def react(charts: dict[str, Chart], trade: Trade, ctx: hersh.Context) -> None:
    def priced(prices: Optional[dict[str, float]]) -> dict[str, float]:
        return {**(prices or {}), trade.symbol: trade.price}

    ctx.update_value("seen", lambda n: (n or 0) + 1)
    ctx.update_value("prices", priced)
    signal = charts.setdefault(trade.symbol, Chart()).push(trade)
    if signal is None:
        return
    refused: list[Optional[str]] = []

    def filled(portfolio: Optional[Portfolio]) -> Portfolio:
        portfolio = portfolio or new_portfolio()
        refused[:] = [order(portfolio, signal, trade)]
        return portfolio

    portfolio = ctx.update_value("portfolio", filled)
    if refused[0]:
        tell(ctx, f"{signal} of {trade.symbol}, but {refused[0]}")
    else:
        tell(ctx, row(*portfolio["orders"][-1]))


def obey(charts: dict[str, Chart], words: str, ctx: hersh.Context) -> None:
    answer = ANSWERS.get(SHORT_FORMS.get(words, words))
    said = answer(charts, ctx) if answer else f"{words!r} is not known; there are {HELP}"
    ctx.set_value("answer", said)
    tell(ctx, said)
    if words == "stop":
        raise hersh.StopError("the user asked")


def portfolio_of(ctx: hersh.Context) -> Portfolio:
    return ctx.get_value("portfolio") or new_portfolio()


def status(charts: dict[str, Chart], ctx: hersh.Context) -> str:
    portfolio, prices = portfolio_of(ctx), ctx.get_value("prices", {})
    return (
        f"feed: {ctx.get_value('feed', 'not connected')}; {ctx.get_value('seen', 0)} trades of "
        f"{len(prices)} markets seen; worth {worth(portfolio, prices):.2f}, "
        f"won {portfolio['realized']:.2f}, {len(portfolio['holdings'])} held"
    )


def show_portfolio(charts: dict[str, Chart], ctx: hersh.Context) -> str:
    portfolio, prices = portfolio_of(ctx), ctx.get_value("prices", {})
    lines = [f"{'Symbol':<9}{'Amount':>12}{'Paid':>11}{'Worth':>11}"]
    for symbol, held in portfolio["holdings"].items():
        now = prices[symbol] * held["amount"] if symbol in prices else held["paid"]
        lines.append(f"{symbol:<9}{held['amount']:>12.6f}{held['paid']:>11.2f}{now:>11.2f}")
    lines.append(f"{'cash':<9}{portfolio['cash']:>34.2f}")
    lines.append(f"{'all':<9}{worth(portfolio, prices):>34.2f}")
    return "\n".join(lines)


def row(at_ms: int, symbol: str, side: str, price: float, amount: float, reason: str) -> str:
    at = time.strftime("%H:%M:%S", time.gmtime(at_ms / 1000))
    value = price * amount
    return f"{at:<9}{symbol:<9}{side:<5}{price:>12.2f}{amount:>12.6f}{value:>10.2f}  {reason}"


def show_trades(charts: dict[str, Chart], ctx: hersh.Context) -> str:
    orders: list[Any] = portfolio_of(ctx)["orders"][-10:]
    if not orders:
        return "nothing bought or sold yet"
    titles = f"{'Time':<9}{'Symbol':<9}{'Type':<5}{'Price':>12}{'Amount':>12}{'Value':>10}  Reason"
    return "\n".join([titles, *(row(*filled) for filled in orders)])


def show_prices(charts: dict[str, Chart], ctx: hersh.Context) -> str:
    lines = [f"{'Symbol':<9}{'Price':>12}{'Short':>12}{'Long':>12}"]
    for symbol, price in ctx.get_value("prices", {}).items():
        averages = charts[symbol].averages() if symbol in charts else None
        shown = "".join(f"{average:>12.2f}" for average in averages or ()) or f"{'-':>12}{'-':>12}"
        lines.append(f"{symbol:<9}{price:>12.2f}{shown}")
    return "\n".join(lines) if len(lines) > 1 else "no prices yet"


Answer = Callable[[dict[str, Chart], hersh.Context], str]
ANSWERS: dict[str, Answer] = {
    "status": status,
    "portfolio": show_portfolio,
    "trades": show_trades,
    "prices": show_prices,
    "help": lambda charts, ctx: HELP,
    "stop": lambda charts, ctx: "stopping",
}
