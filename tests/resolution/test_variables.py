"""Which names `--env` takes."""

from __future__ import annotations

import pytest

from resolver.errors import UsageError
from resolver.resolution.variables import parse_variables

CODE = """
    PATH LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES GCONV_PATH GLIBC_TUNABLES LOCPATH
    HOSTALIASES BASH_ENV ENV IFS PS4 PROMPT_COMMAND SHELL SHELLOPTS CDPATH ZDOTDIR HOME TMPDIR
    XDG_CONFIG_HOME EDITOR VISUAL PAGER MANPAGER LESSOPEN LESSCLOSE LESSKEY BROWSER TERMINFO GIT_SSH
    GIT_SSH_COMMAND GIT_ASKPASS GIT_EXEC_PATH GIT_EXTERNAL_DIFF GIT_PAGER GIT_CONFIG_COUNT
    GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 GIT_TEMPLATE_DIR SSH_ASKPASS SUDO_ASKPASS SSH_AUTH_SOCK
    RSYNC_RSH MAKEFLAGS MAKEFILES CC CXX LD AR CFLAGS RUSTC_WRAPPER RUSTC RUSTFLAGS
    CARGO_BUILD_RUSTC GOFLAGS CMAKE_C_COMPILER OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES
    SSL_CERT_FILE CURL_HOME WGETRC PYTHONPATH PYTHONSTARTUP PYTHONHOME PIP_INDEX_URL NODE_OPTIONS
    NODE_PATH NPM_CONFIG_SCRIPT_SHELL PERL5OPT PERL5LIB PERL5DB RUBYOPT RUBYLIB BUNDLE_GEMFILE
    LUA_INIT PHPRC PHP_INI_SCAN_DIR JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS CLASSPATH
    MAVEN_OPTS GRADLE_OPTS DOTNET_STARTUP_HOOKS CORECLR_PROFILER_PATH TF_CLI_ARGS TF_CLI_CONFIG_FILE
    HELM_PLUGINS KUBECONFIG ANSIBLE_CONFIG AWS_CONFIG_FILE RESTIC_PASSWORD_COMMAND BORG_PASSCOMMAND
    DOCKER_HOST VIMINIT EMACSLOADPATH _
"""
"""Of environ(7), ld.so(8), bash(1), git(1), make(1), less(1), openssl-env(7), and the manuals of the usual
interpreters, compilers, package managers and deployment tools."""

CREDENTIALS = """
    TOKEN PASSWORD APP_KEY DEPLOY_TOKEN PGPASSWORD MYSQL_PWD SSHPASS_PASS AWS_ACCESS_KEY_ID
    AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN GITHUB_TOKEN TF_VAR_db_password VAULT_TOKEN
    REDISCLI_AUTH NODE_AUTH_TOKEN DB_USER X k
"""


@pytest.mark.parametrize("name", CODE.split())
def test_env_refuses_what_is_no_credential(name: str) -> None:
    """A variable that decides what programs run can't be set to what someone else may have stored."""
    with pytest.raises(UsageError, match="not called like a credential"):
        parse_variables([f"{name}=key"])


@pytest.mark.parametrize("name", CREDENTIALS.split())
def test_env_takes_credentials(name: str) -> None:
    """The usual names of credentials need no more words."""
    assert parse_variables([f"{name}=key"]) == {name: "key"}
