"""The grammar of heads, character by character: tokens, values, targets, hosts, lists; and the fields that frame a message.

No state, no Python objects. Source: RFC 9110 sections 5.5, 5.6 and 8.6; RFC 9112 sections 3.2 and 6.3; RFC 3986 section 3.2.2.
Not here: what a violation leads to (http1_messages.pyx, http1_response.pyx).
"""
from libc.string cimport memchr, memcpy

cdef extern from "<arpa/inet.h>" nogil:
    enum:
        AF_INET6, INET6_ADDRSTRLEN
    int inet_pton(int family, const char *text, void *address)

cdef extern from *:
    """
    /* RFC 9110: tchar */
    static const unsigned char treadle_tchar[256] = {
        ['!']=1, ['#']=1, ['$']=1, ['%']=1, ['&']=1, ['\\'']=1, ['*']=1, ['+']=1, ['-']=1, ['.']=1, ['^']=1, ['_']=1, ['`']=1,
        ['|']=1, ['~']=1, ['0' ... '9']=1, ['A' ... 'Z']=1, ['a' ... 'z']=1,
    };
    /* what a reg-name may have: unreserved, pct-encoded, and sub-delims but the comma */
    static const unsigned char treadle_hchar[256] = {
        ['!']=1, ['$']=1, ['%']=1, ['&']=1, ['\\'']=1, ['(']=1, [')']=1, ['*']=1, ['+']=1, ['-']=1, ['.']=1, [';']=1, ['=']=1, ['_']=1,
        ['~']=1, ['0' ... '9']=1, ['A' ... 'Z']=1, ['a' ... 'z']=1,
    };
    /* field-vchar, SP and HTAB */
    static const unsigned char treadle_vchar[256] = { ['\\t']=1, [0x20 ... 0x7e]=1, [0x80 ... 0xff]=1 };

    /* Whether 8 bytes may have one below 0x20 or a DEL among them; false if they have none. */
    static inline int treadle_has_control(const char *text) {
        const uint64_t ones = UINT64_C(0x0101010101010101);
        uint64_t x, y;
        memcpy(&x, text, 8);
        y = x ^ ones * 0x7f;
        return (((x - ones * 0x20) & ~x) | ((y - ones) & ~y)) & ones * 0x80 ? 1 : 0;
    }

    /* Whether text is this word, which is in lower case, in whatever case. Of ASCII: the C library's asks the locale, and in
       Turkish an I is no i. */
    static inline int treadle_is_word(const char *text, const char *word, Py_ssize_t size) {
        Py_ssize_t i;
        for (i = 0; i < size; i++) {
            const char folded = 'A' <= text[i] && text[i] <= 'Z' ? text[i] | 0x20 : text[i];
            if (folded != word[i]) return 0;
        }
        return 1;
    }
    """
    const unsigned char treadle_tchar[256]
    const unsigned char treadle_hchar[256]
    const unsigned char treadle_vchar[256]
    bint treadle_has_control(const char *text) noexcept nogil
    bint is_word "treadle_is_word"(const char *text, const char *word, Py_ssize_t size) noexcept nogil


cdef Field field_of(const char *name, Py_ssize_t size) noexcept nogil:
    # Which of the fields that mean something to a connection it is.
    if size == 4:
        if is_word(name, b"host", 4):
            return HOST
        if is_word(name, b"date", 4):
            return DATE
    elif size == 6:
        if is_word(name, b"expect", 6):
            return EXPECT
    elif size == 7:
        if is_word(name, b"upgrade", 7):
            return UPGRADE
    elif size == 10:
        if is_word(name, b"connection", 10):
            return CONNECTION
    elif size == 14:
        if is_word(name, b"content-length", 14):
            return CONTENT_LENGTH
    elif size == 16:
        if is_word(name, b"proxy-connection", 16):
            return PROXY_CONNECTION
    elif size == 17:
        if is_word(name, b"transfer-encoding", 17):
            return TRANSFER_ENCODING
    return OTHER_FIELD


cdef bint is_same(const char *value, Py_ssize_t size, const char *word, Py_ssize_t word_size) noexcept nogil:
    # Whether a value is this one word, in whatever case.
    return size == word_size and is_word(value, word, word_size)


cdef bint has_token(const char *value, Py_ssize_t size, const char *token, Py_ssize_t token_size) noexcept nogil:
    # Whether a comma-separated list, such as Connection's, has the token (in lower case).
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t start, end
    while i < size:
        while i < size and (value[i] == c' ' or value[i] == c'\t' or value[i] == c','):
            i += 1
        start = i
        while i < size and value[i] != c',':
            i += 1
        end = i
        while end > start and (value[end - 1] == c' ' or value[end - 1] == c'\t'):
            end -= 1
        if end - start == token_size and is_word(value + start, token, token_size):
            return True
    return False


cdef Py_ssize_t token_size(const char *text, Py_ssize_t size) noexcept nogil:
    # How much of text is a token.
    cdef Py_ssize_t i = 0
    while i < size and treadle_tchar[<unsigned char>text[i]]:
        i += 1
    return i


cdef Py_ssize_t value_size(const char *text, Py_ssize_t size) noexcept nogil:
    # How much of text may stand in a field's value.
    cdef Py_ssize_t i = 0
    while size - i >= 8 and not treadle_has_control(text + i):      # PERF: bench/heads.py, 12 fields. Cookies are long
        i += 8
    while i < size and treadle_vchar[<unsigned char>text[i]]:
        i += 1
    return i


cdef bint is_token(const char *text, Py_ssize_t size) noexcept nogil:
    return size > 0 and token_size(text, size) == size


cdef bint is_value(const char *text, Py_ssize_t size) noexcept nogil:
    return value_size(text, size) == size


cdef long long parse_length(const char *digits, Py_ssize_t size) noexcept nogil:
    # A Content-Length: digits only, as RFC 9110 section 8.6 has it. -1: it is none.
    cdef long long length = 0
    cdef Py_ssize_t i
    if size == 0 or size > 18:
        return -1
    for i in range(size):
        if not c'0' <= digits[i] <= c'9':
            return -1
        length = length * 10 + (digits[i] - c'0')
    return length


cdef bint is_target(const char *target, Py_ssize_t size, bint is_options) noexcept nogil:
    # RFC 9112 section 3.2: origin-form, absolute-form, or the asterisk of OPTIONS. authority-form belongs to CONNECT.
    cdef const char *colon
    if size == 0 or memchr(target, c'#', size) is not NULL:
        return False
    if target[0] == c'/':
        return True
    if target[0] == c'*':
        return size == 1 and is_options
    colon = <const char *>memchr(target, c':', size)
    return colon is not NULL and colon + 2 < target + size and colon[1] == c'/' and colon[2] == c'/'


cdef const char *authority_of(const char *target, Py_ssize_t size, Py_ssize_t *authority_size) noexcept nogil:
    # The authority of an absolute-form target, NULL if it is of another form. What follows it begins with / or ?, or is empty.
    cdef const char *colon = <const char *>memchr(target, c':', size) if size and target[0] != c'/' else NULL
    cdef const char *end = target + size
    cdef const char *start
    if colon is NULL or end - colon < 3:
        return NULL
    start = colon + 3
    colon = start
    while colon < end and colon[0] != c'/' and colon[0] != c'?':
        colon += 1
    authority_size[0] = colon - start
    return start


cdef bint is_host(const char *value, Py_ssize_t size) noexcept nogil:
    # RFC 9112 section 3.2: uri-host with an optional port, or nothing. No comma: that is how two of them are joined.
    cdef Py_ssize_t i = 0
    if size and value[0] == c'[':
        while i < size and value[i] != c']':
            i += 1
        if i == size or not is_ip_literal(value + 1, i - 1):
            return False
        i += 1
    else:
        while i < size and value[i] != c':':
            if not treadle_hchar[<unsigned char>value[i]]:
                return False
            i += 1
    if i == size:
        return True
    if value[i] != c':':
        return False
    for i in range(i + 1, size):                        # port
        if not c'0' <= value[i] <= c'9':
            return False
    return True


cdef bint is_ip_literal(const char *text, Py_ssize_t size) noexcept nogil:
    # What stands in brackets: IPv6address or IPvFuture, RFC 3986 section 3.2.2. No zone: it means nothing to another host, so
    # no client sends one (RFC 6874 section 4).
    cdef char copy[INET6_ADDRSTRLEN]
    cdef unsigned char address[16]
    if size and (text[0] | 32) == c'v':
        return is_future_address(text, size)
    if size >= <Py_ssize_t>sizeof(copy) or memchr(text, 0, size) is not NULL:
        return False
    memcpy(copy, text, size)
    copy[size] = 0
    return inet_pton(AF_INET6, copy, address) == 1


cdef bint is_future_address(const char *text, Py_ssize_t size) noexcept nogil:
    # "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ), without the comma
    cdef Py_ssize_t i = 1
    cdef Py_ssize_t dot
    while i < size and (c'0' <= text[i] <= c'9' or c'a' <= (text[i] | 32) <= c'f'):
        i += 1
    dot = i
    if dot == 1 or dot + 1 >= size or text[dot] != c'.':
        return False
    for i in range(dot + 1, size):
        if text[i] == c'%' or not (text[i] == c':' or treadle_hchar[<unsigned char>text[i]]):
            return False
    return True
