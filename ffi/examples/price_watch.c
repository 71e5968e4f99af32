/*
 * Watches a price that is asked for again and again, and the orders that come in meanwhile.
 *
 *     cc price_watch.c $(pkg-config --cflags --libs hersh) -o price_watch && ./price_watch
 */
#include <hersh.h>
#include <stdio.h>
#include <stdlib.h>

/* Asked each 20 ms on a thread of the watcher. A real one would ask a server; every third fails. */
static int32_t ask_price(HershPoll *poll, void *user_data) {
    int *asked = user_data;
    char price[32];
    if (++*asked % 3 == 0) {
        hersh_poll_set_error(poll, "the exchange did not answer");
        return HERSH_OUTCOME_ERROR; /* logged; the last price stays, and it is asked again */
    }
    snprintf(price, sizeof price, "%d.5", 100 + *asked / 2);
    hersh_poll_set_json(poll, price); /* values are JSON texts */
    return HERSH_OUTCOME_OK;
}

/* Runs again when the price has changed or an order has come; never twice at once, so no locks. */
static int32_t trade(const char *message, HershContext *context, void *user_data) {
    HershFlow *orders = user_data;
    HershWatched price, order;
    (void)message;
    /* The first time these two begin to watch, later they tell what is known now. The counter is
       freed with the library's help, when the watcher needs it no more. */
    hersh_context_watch_call(context, "price", 20, ask_price, calloc(1, sizeof(int)), free, &price);
    hersh_context_watch_flow(context, "orders", orders, &order);

    if (price.triggered) printf("the price is %s\n", price.json);
    if (price.error) printf("no new price: %s\n", price.error);
    if (order.triggered) printf("order of %s at %s\n", order.json, price.updated ? price.json : "?");
    if (price.updated && atof(price.json) >= 104)
        return hersh_context_stop(context, "the price is high enough");
    return HERSH_OUTCOME_OK;
}

int main(void) {
    HershWatcher *watcher = NULL;
    HershFlow *orders = NULL;
    if (hersh_flow_new(8, &orders) != HERSH_STATUS_OK ||
        hersh_watcher_new(NULL, &watcher) != HERSH_STATUS_OK ||
        hersh_watcher_manage(watcher, "trade", trade, orders, NULL) != HERSH_STATUS_OK ||
        hersh_watcher_start(watcher) != HERSH_STATUS_OK) {
        fprintf(stderr, "%s\n", hersh_last_error_message());
        return 1;
    }
    /* Orders may come from any thread; a full flow would make this wait, for at most a second. */
    hersh_flow_push_json(orders, "{\"buy\": 3}", 1000);
    hersh_flow_push_json(orders, "{\"sell\": 1}", 1000);

    hersh_watcher_wait(watcher, HERSH_FOREVER, NULL);
    printf("it is %s\n", hersh_state_name(hersh_watcher_state(watcher)));
    hersh_flow_free(orders);
    return hersh_watcher_free(watcher) == HERSH_STATUS_OK ? 0 : 1;
}
