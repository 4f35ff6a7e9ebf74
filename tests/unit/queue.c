/* The queue between two threads: order, bounds, and every way to end. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../src/video/queue.h"

enum { ITEMS = 20000, CAPACITY = 3 };

static int items[ITEMS]; /* items[i] counts how often item i was dropped */

static void drop(void *item)
{
    ++*(int *)item;
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < ITEMS; i++)
        items[i] = 0;
    return 0;
}

static void *send_all(void *arg)
{
    sc_queue *q = arg;
    intptr_t sent = 0;
    while (sent < ITEMS && !sc_queue_send(q, &items[sent]))
        sent++;
    if (sent == ITEMS)
        sc_queue_finish(q, SC_EOF);
    return (void *)sent;
}

static void keeps_order(void **state)
{
    (void)state;
    sc_queue *q = NULL;
    pthread_t sender;
    void *item, *sent;
    assert_int_equal(sc_queue_open(&q, CAPACITY, drop), 0);
    assert_int_equal(pthread_create(&sender, NULL, send_all, q), 0);
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(sc_queue_recv(q, &item), 0);
        assert_ptr_equal(item, &items[i]);
    }
    assert_int_equal(sc_queue_recv(q, &item), SC_EOF);
    assert_int_equal(sc_queue_recv(q, &item), SC_EOF);
    pthread_join(sender, &sent);
    assert_int_equal((intptr_t)sent, ITEMS);
    sc_queue_close(&q);
    assert_null(q);
}

/* The receiver gives up: the sender, waiting for room, gets the code, and what was under way is dropped once.
 */
static void receiver_stops(void **state)
{
    (void)state;
    sc_queue *q = NULL;
    pthread_t sender;
    void *item, *sent;
    assert_int_equal(sc_queue_open(&q, CAPACITY, drop), 0);
    assert_int_equal(pthread_create(&sender, NULL, send_all, q), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sc_queue_recv(q, &item), 0);
    sc_queue_finish(q, SC_ERR_CANCELLED);
    pthread_join(sender, &sent);
    assert_int_equal(sc_queue_recv(q, &item), SC_ERR_CANCELLED);
    assert_in_range((intptr_t)sent, 100, 100 + CAPACITY);
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(items[i], i >= 100 && i < (intptr_t)sent);
    sc_queue_close(&q);
}

static void *recv_all(void *arg)
{
    sc_queue *q = arg;
    intptr_t ret;
    void *item;
    while (!(ret = sc_queue_recv(q, &item)))
        ;
    return (void *)ret;
}

/* The sender fails while the receiver waits on an empty queue. */
static void sender_fails(void **state)
{
    (void)state;
    sc_queue *q = NULL;
    pthread_t receiver;
    void *code;
    assert_int_equal(sc_queue_open(&q, CAPACITY, drop), 0);
    assert_int_equal(pthread_create(&receiver, NULL, recv_all, q), 0);
    sc_queue_finish(q, -EIO);
    pthread_join(receiver, &code);
    assert_int_equal((intptr_t)code, -EIO);
    sc_queue_close(&q);
}

static void first_code_wins(void **state)
{
    (void)state;
    sc_queue *q = NULL;
    void *item;
    assert_int_equal(sc_queue_open(&q, CAPACITY, drop), 0);
    assert_int_equal(sc_queue_send(q, &items[0]), 0);
    assert_int_equal(sc_queue_send(q, &items[1]), 0);
    sc_queue_finish(q, SC_EOF);
    assert_int_equal(sc_queue_send(q, &items[2]), SC_EOF);
    assert_int_equal(items[2], 0); /* still the caller's */
    assert_int_equal(sc_queue_recv(q, &item), 0);
    assert_ptr_equal(item, &items[0]);
    sc_queue_finish(q, -EIO); /* an error overrides the end and drops what is left */
    assert_int_equal(items[1], 1);
    sc_queue_finish(q, -EINVAL);
    sc_queue_finish(q, SC_EOF);
    assert_int_equal(sc_queue_recv(q, &item), -EIO);
    sc_queue_close(&q);
}

static void close_drops(void **state)
{
    (void)state;
    sc_queue *q = NULL;
    assert_int_equal(sc_queue_open(&q, CAPACITY, drop), 0);
    for (int i = 0; i < CAPACITY; i++)
        assert_int_equal(sc_queue_send(q, &items[i]), 0);
    sc_queue_close(&q);
    for (int i = 0; i < CAPACITY; i++)
        assert_int_equal(items[i], 1);
    sc_queue_close(&q); /* nothing to close is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keeps_order, setup),  cmocka_unit_test_setup(receiver_stops, setup),
        cmocka_unit_test_setup(sender_fails, setup), cmocka_unit_test_setup(first_code_wins, setup),
        cmocka_unit_test_setup(close_drops, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
