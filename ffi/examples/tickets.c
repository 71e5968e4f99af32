/*
 * Work that must not be lost: mails wait in a file, are sent by two workers, and tried again.
 *
 *     cc tickets.c $(pkg-config --cflags --libs hersh) -o tickets && ./tickets mails.db
 *
 * Kill it at any moment and start it again: what was added is sent at least once.
 */
#include <hersh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(HershStatus status) {
    if (status == HERSH_STATUS_OK) return;
    fprintf(stderr, "%s: %s\n", hersh_status_name(status), hersh_last_error_message());
    exit(1);
}

/* Runs on the workers' threads, for one ticket each time. OK: done. An error: again later. */
static int32_t send_mail(HershClaim *mail, void *user_data) {
    const uint8_t *text = NULL;
    size_t length = 0;
    (void)user_data;
    check(hersh_claim_payload(mail, &text, &length)); /* any bytes; these are text */
    if (hersh_claim_attempts(mail) == 1 && strcmp(hersh_claim_id(mail), "mail-2") == 0)
        return hersh_claim_error(mail, "the mail server is busy");
    printf("%s sent: %.*s\n", hersh_claim_id(mail), (int)length, (const char *)text);
    return HERSH_OUTCOME_OK;
}

static void add(HershKharon *kharon, const char *id, const char *text) {
    HershNewTicket *mail = NULL;
    check(hersh_new_ticket_new(id, "mail", &mail));
    check(hersh_new_ticket_set_payload(mail, (const uint8_t *)text, strlen(text)));
    check(hersh_kharon_add_if_absent(kharon, mail, NULL, NULL)); /* from here on it is in the file */
    check(hersh_new_ticket_free(mail));
}

static HershTicketStatus status_of(HershKharon *kharon, const char *id) {
    HershTicket *ticket = NULL;
    check(hersh_kharon_get(kharon, id, &ticket));
    HershTicketStatus status = hersh_ticket_status(ticket);
    check(hersh_ticket_free(ticket));
    return status;
}

int main(int count, char **arguments) {
    HershKharonConfig *config = NULL;
    HershKharon *kharon = NULL;
    HershRouter *router = NULL;
    check(hersh_kharon_config_new(&config));
    check(hersh_kharon_config_set_workers(config, 2));
    check(hersh_kharon_config_set_backoff(config, 1.0, 50, 0.0)); /* tried again after 50 ms */
    if (count > 1)
        check(hersh_kharon_config_set_sqlite(config, arguments[1], HERSH_DURABILITY_FULL, 1000));
    check(hersh_kharon_new(config, &kharon));
    check(hersh_kharon_config_free(config));

    check(hersh_router_new(&router));
    check(hersh_router_handle(router, "mail", send_mail, NULL, NULL));
    add(kharon, "mail-1", "Dear Ada");
    add(kharon, "mail-2", "Dear Charles");
    check(hersh_kharon_start(kharon, router));
    check(hersh_router_free(router));

    while (status_of(kharon, "mail-1") != HERSH_TICKET_STATUS_DONE ||
           status_of(kharon, "mail-2") != HERSH_TICKET_STATUS_DONE) {
    }
    check(hersh_kharon_stop(kharon, 5000, NULL)); /* what runs is finished first */
    check(hersh_kharon_free(kharon));
    return 0;
}
