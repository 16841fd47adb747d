"""Declarations of http1_grammar.pyx: what other native units may touch."""


cdef enum Field:
    OTHER_FIELD
    CONNECTION
    CONTENT_LENGTH
    DATE
    EXPECT
    HOST
    PROXY_CONNECTION
    TRANSFER_ENCODING
    UPGRADE


cdef Field field_of(const char *name, Py_ssize_t size) noexcept nogil
cdef bint is_same(const char *value, Py_ssize_t size, const char *word, Py_ssize_t word_size) noexcept nogil
cdef bint has_token(const char *value, Py_ssize_t size, const char *token, Py_ssize_t token_size) noexcept nogil
cdef Py_ssize_t token_size(const char *text, Py_ssize_t size) noexcept nogil
cdef Py_ssize_t value_size(const char *text, Py_ssize_t size) noexcept nogil
cdef bint is_token(const char *text, Py_ssize_t size) noexcept nogil
cdef bint is_value(const char *text, Py_ssize_t size) noexcept nogil
cdef long long parse_length(const char *digits, Py_ssize_t size) noexcept nogil
cdef bint is_target(const char *target, Py_ssize_t size, bint is_options) noexcept nogil
cdef const char *authority_of(const char *target, Py_ssize_t size, Py_ssize_t *authority_size) noexcept nogil
cdef bint is_host(const char *value, Py_ssize_t size) noexcept nogil
